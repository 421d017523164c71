"""What is written to disk is written as a whole or not at all, whenever the process is killed.

- ``output``: one file, a page or a picture, to wherever its path leads.
- ``together``: several files of one folder that belong together, and reading them.
- ``folder``: a folder that programs of other houses read.
- ``scratch``: where all these write first.

Failures are ``OSError``, which the callers turn into errors of their own.
"""

from tracrlab.files.folder import replaced_folder
from tracrlab.files.output import check_output, complaint, is_stream, write_output
from tracrlab.files.scratch import checked_path, is_scratch
from tracrlab.files.together import SavedFiles, digest, read_together, save_together

__all__ = [
    "SavedFiles",
    "check_output",
    "checked_path",
    "complaint",
    "digest",
    "is_scratch",
    "is_stream",
    "read_together",
    "replaced_folder",
    "save_together",
    "write_output",
]
