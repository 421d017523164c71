"""The explorer: a compiled model in a page that runs it, for looking at what each part does."""

from tracrlab.viz.explorer.page import explorer_page, write_page
from tracrlab.viz.explorer.source import SourceFile
from tracrlab.viz.explorer.widget import explorer_widget

__all__ = ["SourceFile", "explorer_page", "explorer_widget", "write_page"]
