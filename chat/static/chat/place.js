// Which conversation was open when somebody went to the account page, so that the way back leads to it.

const KEY = "eloquent.place";
const CONVERSATION = /^#\/c\/[0-9a-f]{24}$/;

export function rememberPlace(hash) {
  try {
    sessionStorage.setItem(KEY, hash);
  } catch {
    // Storage is switched off: the way back leads to a new conversation.
  }
}

// The chat's address, at that conversation.
export function wayBack() {
  try {
    const hash = sessionStorage.getItem(KEY) ?? "";
    return CONVERSATION.test(hash) ? `/${hash}` : "/";
  } catch {
    return "/";
  }
}
