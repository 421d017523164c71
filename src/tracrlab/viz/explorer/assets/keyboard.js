// Arrow keys move the focus within a row or a table of buttons; only the one that has it can be reached with Tab.

export function movedFocus(event) {
  const from = event.target.closest("[tabindex]");
  if (!from) return;
  const row = [...from.parentElement.querySelectorAll(":scope > [tabindex]")];
  const place = row.indexOf(from);
  const goal = {
    ArrowRight: () => row[place + 1],
    ArrowLeft: () => row[place - 1],
    Home: () => row[0],
    End: () => row.at(-1),
    ArrowDown: () => sameColumn(from, place, 1),
    ArrowUp: () => sameColumn(from, place, -1),
  }[event.key]?.();
  if (!goal) return;
  event.preventDefault();
  focusWithin(from.closest("[role=group], table"), goal);
}

export function focusWithin(group, goal) {
  for (const each of group.querySelectorAll("[tabindex='0']")) each.tabIndex = -1;
  goal.tabIndex = 0;
  goal.focus();
}

function sameColumn(from, place, step) {
  const rows = [...(from.closest("table")?.querySelectorAll("tr[data-item]") ?? [])];
  const row = rows[rows.indexOf(from.parentElement) + step];
  return row && [...row.querySelectorAll(":scope > [tabindex]")][place];
}
