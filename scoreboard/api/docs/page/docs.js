/* Starts Swagger UI: in the colours that the reader's system has, and without Try it out for
 * streams, whose answers never end. In its place stands what to do instead. */

const STREAM = "text/event-stream";
const own = document.currentScript;

const dark = matchMedia("(prefers-color-scheme: dark)");
function paint() {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}
dark.addEventListener("change", paint);
paint();

/** The operation at a path, as the document has it: an Immutable.Map. */
function operationAt(specSelectors, path, method) {
  return specSelectors.specJson().getIn(["paths", path, method]);
}

function isStream(operation) {
  return Boolean(operation?.hasIn(["responses", "200", "content", STREAM]));
}

function needsToken(operation) {
  const schemes = operation.get("security")?.toJS() ?? [];
  return schemes.length > 0 && schemes.every((scheme) => "bearerAuth" in scheme);
}

/** What to do with a stream, in the place of Try it out. */
function noteOn(React, path, operation) {
  const line = (text) => React.createElement("pre", { tabIndex: 0 }, text);
  const url = new URL(path.replace("{board}", "main"), location.href).href;
  const token = needsToken(operation);
  const head = token ? "-H 'Authorization: Bearer TOKEN' " : "";
  return React.createElement(
    "section",
    { className: "stream-note", "aria-label": "How to follow this stream" },
    "This answer never ends, so it cannot be tried out here. Follow it in a terminal:",
    line(`curl -N ${head}'${url}'`),
    ...(token
      ? ["A page needs the JavaScript client for it: EventSource sends no token."]
      : [
          "or in a page, from the console of this one:",
          line(
            `new EventSource("${url}").addEventListener("score:update", (event) => console.log(event.data))`,
          ),
        ]),
  );
}

function streamsPlugin({ React }) {
  return {
    statePlugins: {
      spec: {
        wrapSelectors: {
          allowTryItOutFor:
            (_, { specSelectors }) =>
            (state, path, method) =>
              !isStream(operationAt(specSelectors, path, method)),
        },
      },
    },
    wrapComponents: {
      parameters: (Original, { specSelectors }) =>
        function Parameters(props) {
          const [path, method] = props.pathMethod;
          const operation = operationAt(specSelectors, path, method);
          return React.createElement(
            React.Fragment,
            null,
            isStream(operation) ? noteOn(React, path, operation) : null,
            React.createElement(Original, props),
          );
        },
    },
  };
}

/** A button holds no link, which nobody could reach: what was one is the text alone. */
function plainTextPlugin({ React }) {
  const { createElement } = React;
  return {
    wrapComponents: {
      DeepLink: () => (props) => createElement("span", null, props.text),
    },
  };
}

// What Swagger UI leaves out for who cannot see the page: which elements, which attribute, and what
// it says of each.
const MENDED = [
  [".close-modal", "aria-label", () => "Close"],
  [".servers select", "aria-label", () => "Server"],
  [".examples-select-element", "aria-label", () => "Example"],
  [".content-type", "aria-label", () => "Media type"],
  ["select:not([aria-label])", "aria-label", (select) => nameBeside(select)],
  ["input:not([aria-label]):not([id])", "aria-label", (input) => nameBeside(input)],
  [".responses-table", "aria-label", (table) => `Responses (${table.id})`],
  ["pre, .highlight-code > *", "tabindex", () => "0"],
  // The title is the page's first heading; what comes below it goes down step by step.
  [".opblock-tag, .modal-ux-header h3", "aria-level", () => "2"],
  [".models h4", "aria-level", () => "2"],
  [".opblock-section-header h4, .modal-ux-content h4", "aria-level", () => "3"],
];

/** The name of the parameter in whose row something is to be chosen or written. */
function nameBeside(element) {
  const name = element.closest("tr")?.querySelector(".parameter__name")?.firstChild?.textContent;
  return name?.trim() || "Value";
}

function mend() {
  for (const [selector, attribute, said] of MENDED) {
    for (const element of document.querySelectorAll(`#swagger-ui :is(${selector})`)) {
      if (!element.hasAttribute(attribute)) element.setAttribute(attribute, said(element));
    }
  }
}
let isDue = false;
new MutationObserver(() => {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    mend();
  });
}).observe(document.getElementById("swagger-ui"), { childList: true, subtree: true });

window.ui = SwaggerUIBundle({
  url: own.dataset.document,
  dom_id: "#swagger-ui",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [streamsPlugin, plainTextPlugin],
  layout: "BaseLayout", // without the field that loads any other document
});
