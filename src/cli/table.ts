/** A table for people: columns as wide as their widest cell, numbers to the right. */
export function formatTable(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const widths = header.map((title, column) =>
    rows.reduce((width, row) => Math.max(width, String(row[column]).length), title.length),
  );
  const lines = [header, ...rows].map((row, at) =>
    header
      .map((_, column) => {
        const cell = row[column] ?? '';
        const isNumber = at > 0 ? typeof cell === 'number' : typeof rows[0]?.[column] === 'number';
        return isNumber ? String(cell).padStart(widths[column]!) : String(cell).padEnd(widths[column]!);
      })
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}
