import type { ComponentChildren } from "preact"

function Icon({ size = 16, name, children }: { size?: number; name: string; children: ComponentChildren }) {
  return (
    <svg
      class={name}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  )
}

/** The post horn. */
export function Horn({ size = 20 }: { size?: number }) {
  return (
    <Icon size={size} name="horn">
      <path d="M1.5 8.5h7" />
      <circle cx="7.5" cy="8" r="3.2" />
      <path d="M8.5 11.2c3 0 4.5 1 6 2.6V4.6c-1.5 1.6-3 2.3-5 2.3" />
    </Icon>
  )
}

export const CopyIcon = () => (
  <Icon size={14} name="icon">
    <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
    <path d="M10.5 5.500v-1.500a1.5 1.5 0 0 0-1.5-1.500h-5a1.5 1.5 0 0 0-1.5 1.500v5a1.5 1.5 0 0 0 1.5 1.500h1.5" />
  </Icon>
)

export const CheckIcon = () => (
  <Icon size={14} name="icon">
    <path d="m3 8.5 3.2 3.200L13 4.8" />
  </Icon>
)

export const SearchIcon = () => (
  <Icon size={14} name="icon">
    <circle cx="7" cy="7" r="4.2" />
    <path d="m10.2 10.2 3.3 3.3" />
  </Icon>
)

export const MenuIcon = () => (
  <Icon name="icon">
    <path d="M2.5 4.500h11M2.5 8h11M2.5 11.500h11" />
  </Icon>
)

export const SunIcon = () => (
  <Icon name="icon">
    <circle cx="8" cy="8" r="2.8" />
    <path d="M8 1.500v1.200M8 13.300v1.200M1.5 8h1.200M13.3 8h1.200M3.4 3.400l.9.9M11.7 11.700l.9.9M3.4 12.600l.9-.9M11.7 4.300l.9-.9" />
  </Icon>
)

export const MoonIcon = () => (
  <Icon name="icon">
    <path d="M13.2 9.700A5.6 5.6 0 0 1 6.3 2.800a5.6 5.6 0 1 0 6.9 6.900Z" />
  </Icon>
)

export const SystemIcon = () => (
  <Icon name="icon">
    <circle cx="8" cy="8" r="5.5" />
    <path d="M8 2.500v11a5.5 5.5 0 0 0 0-11Z" fill="currentColor" stroke="none" />
  </Icon>
)
