import { isMet, type Measurement, type Target } from './measurement.js';

/** `name, value, unit, baseline, ratio`: one object for one line of `--json`. */
export function asJson({ name, value, unit, baseline, ratio }: Measurement): string {
  return JSON.stringify({ name, value: round(value), unit, baseline: round(baseline), ratio: round(ratio) });
}

/** The figures for a person: one line each, with its target and whether it is met. */
export function asTable(measurements: readonly Measurement[]): string {
  const rows = measurements.map((measurement) => {
    const { name, value, unit, baseline, ratio, target } = measurement;
    const met = isMet(measurement);
    const verdict = met === null ? '' : met ? 'met' : 'NOT MET';
    return [name, show(value), unit, show(baseline), show(ratio), target ? targetText(target) : '', verdict];
  });
  const table = [['name', 'value', 'unit', 'baseline', 'ratio', 'target', ''], ...rows];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  const rightAligned = new Set([1, 3, 4]);
  return table
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return rightAligned.has(column) ? cell.padStart(width) : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function targetText({ of, is, bound }: Target): string {
  return `${of} ${is} ${bound.toLocaleString('en-US')}`;
}

function show(figure: number | null): string {
  return figure === null ? '-' : figure.toLocaleString('en-US', { maximumSignificantDigits: 4 });
}

/** Four digits say all that such a figure can say. */
function round<T extends number | null>(figure: T): T {
  return (figure === null ? null : Number(figure.toPrecision(4))) as T;
}
