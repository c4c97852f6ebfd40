import { QueryClient, VueQueryPlugin } from "@tanstack/vue-query";
import { createApp } from "vue";
import "./style.css";
import App from "./App.vue";
import { Failure, takeUp } from "./api/client";
import { fixLinks } from "./base";
import { i18n, preferred, use } from "./i18n";
import { apply } from "./look";
import { router } from "./router";

/** How often a read is repeated before the page says that it failed. */
const READ_RETRIES_MAX = 2;
const FRESH_MS = 5_000;

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: FRESH_MS,
      retry: (count, error) => count < READ_RETRIES_MAX && error instanceof Failure && error.isTransient,
    },
  },
});

fixLinks(document);
apply();
await Promise.all([use(preferred()), takeUp()]);
createApp(App).use(i18n).use(router).use(VueQueryPlugin, { queryClient: queries }).mount("#app");
