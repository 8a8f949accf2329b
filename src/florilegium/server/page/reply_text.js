// The text of a reply. Only what differs is changed: a citation keeps its focus and its click while
// the answer grows around it, and a screen reader is not told everything again.
function become(node, wanted) {
  const before = [...node.childNodes];
  const after = [...wanted.childNodes];
  after.forEach((next, at) => {
    const now = before[at];
    if (!now) node.append(next);
    else if (now.isEqualNode(next)) return;
    else if (isSameElement(now, next)) become(now, next);
    else now.replaceWith(next);
  });
  before.slice(after.length).forEach((rest) => rest.remove());
}

const isSameElement = (one, other) =>
  one.nodeType === Node.ELEMENT_NODE && one.cloneNode(false).isEqualNode(other.cloneNode(false));

export default {
  template: "<div></div>",
  props: { html: String },
  mounted() {
    this.show();
  },
  watch: {
    html() {
      this.show();
    },
  },
  methods: {
    show() {
      const wanted = document.createElement("template");
      wanted.innerHTML = this.html ?? "";
      become(this.$el, wanted.content);
    },
  },
};
