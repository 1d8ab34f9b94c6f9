import "./chart.css"
import type { Tone } from "./state.tsx"

const BAR = 6
const GAP = 2

export interface Bar {
  /** What the bar stands for, and its figures: shown on hover, and read out. */
  title: string
  parts: readonly { tone: Tone; value: number }[]
}

/** Bars side by side, each stacked of its parts; the highest fills the height. */
export function Bars({ label, bars, height = 48 }: { label: string; bars: readonly Bar[]; height?: number }) {
  const most = Math.max(1, ...bars.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0)))
  const width = Math.max(1, bars.length * (BAR + GAP) - GAP)
  return (
    <svg
      class="bars"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      height={height}
      role="img"
      aria-label={label}
    >
      {bars.map(({ title, parts }, index) => {
        let top = height
        return (
          <g key={title}>
            <title>{title}</title>
            <rect class="bar-ground" x={index * (BAR + GAP)} y={0} width={BAR} height={height} />
            {parts.map(({ tone, value }) => {
              const size = (value / most) * height
              top -= size
              return (
                <rect
                  key={tone}
                  class={`bar bar-${tone}`}
                  x={index * (BAR + GAP)}
                  y={top}
                  width={BAR}
                  height={size}
                />
              )
            })}
          </g>
        )
      })}
    </svg>
  )
}

/** A line without axes: how something went, at a glance. */
export function Sparkline({
  label,
  values,
  height = 20,
}: {
  label: string
  values: readonly number[]
  height?: number
}) {
  const most = Math.max(1, ...values)
  const points = values.map((value, index) => `${index},${height - 1 - (value / most) * (height - 2)}`)
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${Math.max(1, values.length - 1)} ${height}`}
      preserveAspectRatio="none"
      height={height}
      role="img"
      aria-label={label}
    >
      <polyline points={points.join(" ")} vector-effect="non-scaling-stroke" />
    </svg>
  )
}

/** How far something is; without `max`, only that it goes on. */
export function Progress({ label, value, max }: { label: string; value?: number; max?: number }) {
  const known = max === undefined ? {} : { value, max: Math.max(1, max) }
  return <progress class="progress" aria-label={label} {...known} />
}
