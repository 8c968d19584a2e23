/** Room for streams: HTTP/1.1 gives a host six connections, and polls and everything else need some. */

const taken = new Map(); // by name: how many streams of this page, for those who do not ask other tabs

/** Take room for one of `most` streams. With `shared`, all tabs of a browser have that many together.
 *  Returns what gives it back, or null if there is no room now. */
export async function takeRoom(name, most, shared) {
  if (!shared) return takeOwn(name, most);
  for (let seat = 0; seat < most; seat += 1) {
    const leave = await takeSeat(`${name}:${seat}`);
    if (leave) return leave;
  }
  return null;
}

/** A lock that is held until it is given back; the browser does that for a tab that is closed. */
function takeSeat(name) {
  return new Promise((resolve) => {
    const hold = (lock) => lock && new Promise((leave) => resolve(leave));
    navigator.locks.request(name, { ifAvailable: true }, hold).then(() => resolve(null), () => resolve(null));
  });
}

function takeOwn(name, most) {
  const count = taken.get(name) ?? 0;
  if (count >= most) return null;
  taken.set(name, count + 1);
  return () => taken.set(name, taken.get(name) - 1);
}
