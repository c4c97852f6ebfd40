import { onScopeDispose, ref, type Ref } from "vue";

/** Whether the browser has a network. That a server answers is another question. */
export function useOnline(): Ref<boolean> {
  const isOnline = ref(navigator.onLine);
  const look = () => (isOnline.value = navigator.onLine);
  window.addEventListener("online", look);
  window.addEventListener("offline", look);
  onScopeDispose(() => {
    window.removeEventListener("online", look);
    window.removeEventListener("offline", look);
  });
  return isOnline;
}
