// What the page's elements cannot do by themselves: pasted and dropped files, scrolling, and keeping what is typed.
window.fl = {
  // The element of the tab that is shown which takes files.
  target: () => document.querySelector(".fl-tab:not(.hidden)")?.dataset.target ?? null,
  narrow: () => window.innerWidth < 1024,
  calm: () => matchMedia("(prefers-reduced-motion: reduce)").matches,

  give(files) {
    const uploader = fl.target() && getElement(fl.target());
    if (uploader && files.length) uploader.$refs.qRef.addFiles([...files]);
    return Boolean(uploader && files.length);
  },

  follow(id) {
    // The new question goes to the top, and the answer grows below it.
    fl.watch(() => {
      const element = getHtmlElement(id);
      if (element) element.scrollIntoView({ block: "start", behavior: fl.calm() ? "auto" : "smooth" });
      return element;
    });
  },

  reveal(id) {
    fl.watch(() => {
      const element = getHtmlElement(id);
      if (element && element.textContent) element.scrollIntoView({ block: "center" });
      return element;
    });
  },

  goOn(id) {
    // The button is gone; the keyboard goes on at what it brought, next to what stood there.
    fl.watch(() => {
      const last = getHtmlElement(id)?.querySelector(":scope > .fl-exchange:last-child");
      if (last) last.tabIndex = -1;
      last?.focus({ preventScroll: true });
      return last;
    });
  },

  toEnd() {
    fl.watch(() => {
      window.scrollTo(0, document.body.scrollHeight);
      return true;
    });
  },

  keep(name, value) {
    if (value) sessionStorage.setItem(name, JSON.stringify(value));
    else sessionStorage.removeItem(name);
  },

  // A question until its answer is kept. One that was taken is no draft any more.
  hold(whose, text, chat, place) {
    fl.keep("fl.question", text && { whose, text, chat, place });
    if (text) fl.keep("fl.draft", null);
  },

  // A page that is made anew, as when the server has died, has what was lost; nobody else's.
  giveBack(whose, chat, count, isWritten) {
    const [asked, typed] = ["fl.question", "fl.draft"].map((name) => {
      const kept = JSON.parse(sessionStorage.getItem(name));
      return kept?.whose === whose ? kept : null;
    });
    const isThere = asked?.chat === chat && (isWritten || asked?.place <= count);
    const question = isThere ? "" : asked?.text;
    const draft = typed?.text;
    if (!isThere || !isWritten) fl.keep("fl.question", null);
    fl.keep("fl.draft", draft && { whose, text: draft });
    const text = [question, draft].filter(Boolean).join("\n");
    if (!text) return;
    fl.watch(() => {
      const field = document.querySelector(".fl-composer textarea");
      if (field && !field.value) {
        field.value = text;
        field.dispatchEvent(new Event("input", { bubbles: true }));
      }
      return field;
    });
  },

  // The address says what is shown; Back goes through what was.
  goTo(address, isStep) {
    if (isStep && address !== location.search) history.pushState(null, "", address);
    else history.replaceState(history.state, "", address);
  },

  // Back closes an open source, as on a phone.
  openSource() {
    if (!history.state?.isSource) history.pushState({ isSource: true }, "", location.href);
  },

  closeSource() {
    if (history.state?.isSource) history.back();
  },

  // A socket that is refused would be tried for ever where nobody is logged in any more, or another.
  async reopen() {
    const answer = await fetch(`_nicegui/client/${window.clientId}/`).catch(() => null);
    if (answer && [401, 403].includes(answer.status)) location.reload();
  },

  // Elements come a moment after the call that made them.
  watch(act, tries = 20) {
    requestAnimationFrame(() => {
      if (!act() && tries > 0) setTimeout(() => fl.watch(act, tries - 1), 30);
    });
  },
};

window.addEventListener("popstate", (event) => {
  emitEvent("fl_goes", location.search, Boolean(event.state?.isSource));
});

document.addEventListener("DOMContentLoaded", () => {
  fl.closeSource(); // a page that was loaded again shows none
  fl.watch(() => window.socket?.on("connect_error", fl.reopen), 1000);
});

document.addEventListener("input", (event) => {
  const whose = event.target.closest(".fl-composer")?.dataset.whose;
  if (whose) fl.keep("fl.draft", event.target.value && { whose, text: event.target.value });
});

document.addEventListener("paste", (event) => {
  const pictures = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  if (pictures.length && fl.give(pictures.slice(0, 1))) event.preventDefault();
});

let dragging = 0;
const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
const show = (shown) => document.body.classList.toggle("fl-dragging", shown);
document.addEventListener("dragenter", (event) => {
  if (hasFiles(event)) show(++dragging > 0 && fl.target() !== null);
});
document.addEventListener("dragleave", (event) => {
  if (hasFiles(event)) show((dragging = Math.max(0, dragging - 1)) > 0);
});
document.addEventListener("dragover", (event) => {
  if (hasFiles(event)) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  event.stopPropagation();
  dragging = 0;
  show(false);
  fl.give(event.dataTransfer.files);
}, true);
