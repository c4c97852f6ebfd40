// What the reader chose of the looks; kept in this browser.

import { ref, watch } from "vue";

export type Theme = "auto" | "light" | "dark";
export const THEMES: readonly Theme[] = ["auto", "light", "dark"];
const THEME = "dompet.theme";
const HIDDEN = "dompet.hidden";

export const theme = ref<Theme>(THEMES.find((one) => one === localStorage.getItem(THEME)) ?? "auto");
export const isHidden = ref(localStorage.getItem(HIDDEN) === "true");

export function apply(): void {
  if (theme.value === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme.value;
}

watch(theme, (next) => {
  localStorage.setItem(THEME, next);
  apply();
});
watch(isHidden, (next) => localStorage.setItem(HIDDEN, String(next)));
