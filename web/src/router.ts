// Which address shows what. The wallet's pages are one file: together they are smaller than the libraries, and none is waited for later.
// `routes.json` names the same addresses: the gateway answers them with the page. A unit test compares the two.

import { createRouter, createWebHistory, type RouteRecordRaw } from "vue-router";
import ActivityPage from "./pages/ActivityPage.vue";
import HomePage from "./pages/HomePage.vue";
import NewWalletPage from "./pages/NewWalletPage.vue";
import NotFoundPage from "./pages/NotFoundPage.vue";
import OutcomePage from "./pages/OutcomePage.vue";
import PayPage from "./pages/PayPage.vue";
import ProfilePage from "./pages/ProfilePage.vue";
import ReceiptPage from "./pages/ReceiptPage.vue";
import RegisterPage from "./pages/RegisterPage.vue";
import SendPage from "./pages/SendPage.vue";
import SignInPage from "./pages/SignInPage.vue";
import StatisticsPage from "./pages/StatisticsPage.vue";
import TopUpPage from "./pages/TopUpPage.vue";
import { base } from "./base";
import { isSignedIn, user } from "./session";

export const routes: RouteRecordRaw[] = [
  { path: "/", component: HomePage, meta: { title: "home.title" } },
  { path: "/sign-in", component: SignInPage, meta: { title: "auth.signIn", isOpen: true } },
  { path: "/register", component: RegisterPage, meta: { title: "auth.register", isOpen: true } },
  { path: "/send", component: SendPage, meta: { title: "move.sendTitle" } },
  { path: "/pay", component: PayPage, meta: { title: "move.payTitle" } },
  { path: "/top-up", component: TopUpPage, meta: { title: "move.topupTitle" } },
  { path: "/outcome", component: OutcomePage, meta: { title: "outcome.title" } },
  { path: "/activity", component: ActivityPage, meta: { title: "activity.title" } },
  { path: "/activity/:id(\\d+)", component: ReceiptPage, meta: { title: "receipt.title" } },
  { path: "/statistics", component: StatisticsPage, meta: { title: "statistics.title" } },
  { path: "/wallets/new", component: NewWalletPage, meta: { title: "wallet.newTitle" } },
  { path: "/profile", component: ProfilePage, meta: { title: "profile.title" } },
  // Few people are administrators: these are loaded when they are asked for.
  { path: "/admin", component: () => import("./admin/OverviewPage.vue"), meta: { title: "admin.title", isAdmin: true } },
  { path: "/admin/users", component: () => import("./admin/UsersPage.vue"), meta: { title: "admin.users", isAdmin: true } },
];

const elsewhere: RouteRecordRaw = {
  path: "/:rest(.*)*",
  component: NotFoundPage,
  meta: { title: "state.notFound", isOpen: true },
};

export const router = createRouter({
  history: createWebHistory(base),
  routes: [...routes, elsewhere],
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? undefined : { top: 0 }),
});

router.beforeEach((to) => {
  // The server refuses what they would ask for; here it only spares others a page without use.
  if (to.meta["isAdmin"] === true && isSignedIn.value && user.value?.role !== "admin") return { path: "/" };
  if (to.meta["isOpen"] === true || isSignedIn.value) return true;
  return { path: "/sign-in", query: to.fullPath === "/" ? {} : { next: to.fullPath } };
});
