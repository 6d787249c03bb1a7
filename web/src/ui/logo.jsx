export function Logo({ small = false }) {
  return (
    <svg class={`logo${small ? ' small' : ''}`} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" class="logo-sea" />
      <circle cx="21.5" cy="10" r="3.5" class="logo-moon" />
      <path d="M4 18.5c3-3 5-3 8 0s5 3 8 0 5-3 8 0" class="logo-wave" />
      <path d="M4 24.5c3-3 5-3 8 0s5 3 8 0 5-3 8 0" class="logo-wave low" />
    </svg>
  );
}
