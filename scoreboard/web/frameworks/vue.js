/** A live board for Vue: `const { board, state } = useScoreboard({ url })`. */

import { computed, getCurrentInstance, onMounted, onScopeDispose, shallowRef, toValue, watch } from "vue";
import { Snapshots, identityOf } from "./snapshots.js";

/** Follow a board while the component, or the effect scope, lives. `options` may be a ref or a getter: other options
 *  are another client; another `getToken` alone is not. */
export function useScoreboard(options = {}) {
  const getToken = (rejected) => toValue(options)?.getToken?.(rejected) ?? null;
  const make = () => new Snapshots({ ...toValue(options), getToken });
  const snapshots = shallowRef(make());
  const newest = shallowRef(snapshots.value.get());
  let leave = null;

  const follow = () => {
    leave?.();
    leave = snapshots.value.subscribe(() => (newest.value = snapshots.value.get()));
    newest.value = snapshots.value.get();
  };
  const followAnother = () => {
    snapshots.value = make();
    if (leave) follow();
    else newest.value = snapshots.value.get();
  };

  watch(() => identityOf(toValue(options)), followAnother);
  // Where a server renders the page nothing is mounted, so nothing is asked.
  if (getCurrentInstance()) onMounted(follow);
  else follow();
  onScopeDispose(() => leave?.());

  const part = (name) => computed(() => newest.value[name]);
  return { board: part("board"), state: part("state"), ended: part("ended"), client: part("client") };
}
