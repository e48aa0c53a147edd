// Opens the bundled speedscope in a window of its own, and sends it the very
// bytes that the server sent.

export function openSpeedscope({ bytes, label }, say) {
  const place = new URL('speedscope/', document.baseURI);

  place.hash = `profileURL=profile.pb.gz&title=${encodeURIComponent(label)}`;

  const opened = window.open(place);

  if (!opened) {
    say('The browser did not open a new window');
    return;
  }

  addEventListener('message', function ready({ source, origin, data }) {
    if (source === opened && origin === location.origin
        && data === 'speedscope')
    {
      removeEventListener('message', ready);
      opened.postMessage(bytes, location.origin);
    }
  });
}
