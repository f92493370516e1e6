// Shows an edit in the browser, in development only: a style sheet and pictures are replaced, everything else reloads the page.
(() => {
  let { id } = document.currentScript.dataset;
  let stream;

  // The elements of the page, each beside the one that the page has for it now.
  const pairs = async (selector) => {
    const headers = { accept: 'text/html', 'x-dev-reload': '1' };
    const answer = await fetch(location.href, { headers, cache: 'no-store' });
    const now = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const [old, fresh] = [document, now].map((page) => [...page.querySelectorAll(selector)]);
    return old.length === fresh.length ? old.map((node, at) => [node, fresh[at]]) : [];
  };

  const plain = (url) => url && url.replace(/[?&]reload=\d+/, '');

  // A file whose URL does not name its content is asked for by another URL.
  const renewed = (url, files) => {
    const { origin, pathname } = new URL(url, location);
    const isEdited = origin === location.origin && files.some((file) => decodeURIComponent(pathname).endsWith(`/${file}`));
    return isEdited && `${url}${url.includes('?') ? '&' : '?'}reload=${Date.now()}`;
  };

  const replaceStyles = async (files) => {
    let replaced = 0;
    for (const [old, fresh] of await pairs('link[rel~="stylesheet"][href]')) {
      const url = fresh.getAttribute('href');
      const changed = plain(old.getAttribute('href')) === url ? renewed(url, files) : url;
      if (!changed) continue;
      const link = old.cloneNode();
      link.setAttribute('href', changed);
      link.onload = link.onerror = () => old.remove();
      old.after(link);
      replaced += 1;
    }
    return replaced;
  };

  const replaceImages = async () => {
    let replaced = 0;
    for (const [old, fresh] of await pairs('img, source')) {
      for (const name of ['srcset', 'src']) {
        const url = fresh.getAttribute(name);
        if (url === null || url === old.getAttribute(name)) continue;
        old.setAttribute(name, url);
        replaced += 1;
      }
    }
    return replaced;
  };

  const show = async ({ styles, images, page }) => {
    try {
      const isShown = !page && (!styles.length || (await replaceStyles(styles))) && (!images.length || (await replaceImages()));
      if (isShown) return;
    } catch {
      // The page's policy forbids it to ask for itself.
    }
    location.reload();
  };

  const listen = () => {
    stream = new EventSource('/_dev/events');
    stream.addEventListener('hello', ({ data }) => {
      if (id !== data) location.reload();
      id = data;
    });
    stream.addEventListener('change', ({ data }) => {
      const change = JSON.parse(data);
      id = change.id;
      show(change);
    });
    stream.onerror = () => {
      if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 500);
    };
  };

  // A browser has six connections to a server: pages that nobody sees leave theirs to others.
  document.addEventListener('visibilitychange', () => (document.hidden ? stream?.close() : listen()));
  if (!document.hidden) listen();
})();
