// Runs before speedscope.  It gives it the profile that the dashboard holds,
// and lets it work under a policy that knows no inline styles.

// speedscope puts its rules into the sheet of the element that it finds by
// this name; an element of no known namespace is no style to the browser.

const sheet = new CSSStyleSheet();
const stand = document.createElementNS('urn:profiling', 'style');

stand.setAttribute('data-aphrodite', '');
stand.sheet = sheet;
document.head.append(stand);
document.adoptedStyleSheets.push(sheet);

// The policy forbids eval and WebAssembly as well.  It does without, or needs
// them for the names of C++ only, which come readable from the server; refused
// here, they are no violation.

function refuse() {
  throw new Error('the policy of this page forbids it');
}

window.eval = refuse;
window.WebAssembly = {
  instantiate: () => new Promise(() => {}),
  Module: refuse,
};

// It fetches what #profileURL= names; this name stands for the bytes that the
// page that opened this one sends.

const name = 'profile.pb.gz';
const fetchIt = window.fetch.bind(window);

const bytes = new Promise((resolve) => {
  addEventListener('message', ({ source, origin, data }) => {
    if (origin === location.origin && source === window.opener
        && data instanceof ArrayBuffer)
    {
      resolve(data);
    }
  });
});

window.fetch = async (what, options) =>
  String(what) === name ? new Response(await bytes) : fetchIt(what, options);

window.opener?.postMessage('speedscope', location.origin);
