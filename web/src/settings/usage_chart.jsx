// Plots of tokens: a column for each day, a bar for each model. The numbers are a table for screen readers.
import { t } from '../i18n/index.js';
import { formatDate, formatNumber } from '../ui/format.js';

const WIDTH = 640;
const HEIGHT = 160;

const total = ({ input, output }) => input + output;

function NumberTable({ caption, rows }) {
  return (
    <table class="offscreen">
      <caption>{caption}</caption>
      <thead>
        <tr><td /><th scope="col">{t('input_tokens')}</th><th scope="col">{t('output_tokens')}</th></tr>
      </thead>
      <tbody>
        {rows.map(({ label, input, output }) => (
          <tr key={label}><th scope="row">{label}</th><td>{formatNumber(input)}</td><td>{formatNumber(output)}</td></tr>
        ))}
      </tbody>
    </table>
  );
}

function Legend() {
  return (
    <p class="chart-legend hint" aria-hidden="true">
      <span class="swatch input" />{t('input_tokens')} <span class="swatch output" />{t('output_tokens')}
    </p>
  );
}

export function DayChart({ days }) {
  const most = Math.max(1, ...days.map(total));
  const step = WIDTH / days.length;
  const width = Math.max(1, step - Math.min(4, step / 3));
  const height = (value) => (value / most) * (HEIGHT - 4);
  return (
    <div class="chart">
      <Legend />
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true" preserveAspectRatio="none">
        {days.map((day, i) => (
          <g key={day.date}>
            <title>{`${formatDate(day.date)}: ${formatNumber(total(day))}`}</title>
            <rect x={i * step} y={0} width={step} height={HEIGHT} class="chart-hit" />
            <rect x={i * step} y={HEIGHT - height(day.input)} width={width} height={height(day.input)} class="input" />
            <rect x={i * step} y={HEIGHT - height(total(day))} width={width} height={height(day.output)} class="output" />
          </g>
        ))}
      </svg>
      <p class="chart-ends hint" aria-hidden="true">
        <span>{formatDate(days[0].date)}</span><span>{t('most', { number: formatNumber(most) })}</span>
        <span>{formatDate(days.at(-1).date)}</span>
      </p>
      <NumberTable caption={t('by_day')} rows={days.filter(total).map((day) => ({ label: day.date, ...day }))} />
    </div>
  );
}

export function ModelBars({ models }) {
  const most = Math.max(1, ...models.map(total));
  return (
    <div class="chart">
      <ul class="bars" aria-hidden="true">
        {models.map((model) => (
          <li key={model.model}>
            <span class="bar-label" dir="auto">{model.model}</span>
            <svg viewBox="0 0 100 10" preserveAspectRatio="none">
              <rect width={(100 * model.input) / most} height={10} class="input" />
              <rect x={(100 * model.input) / most} width={(100 * model.output) / most} height={10} class="output" />
            </svg>
            <span class="muted">{formatNumber(total(model))}</span>
          </li>
        ))}
      </ul>
      <NumberTable caption={t('by_model')} rows={models.map((model) => ({ label: model.model, ...model }))} />
    </div>
  );
}
