// A form with `data-block` is sent by a script, and the answer takes the place of that part of the page. Without a script the
// browser sends the form as always.
addEventListener("submit", async (event) => {
  const form = event.target, block = form.dataset.block;
  if (!block) return;
  event.preventDefault();
  const answer = await fetch(form.action, {
    method: "POST",
    body: new URLSearchParams(new FormData(form)),
    headers: { "x-block": block },
  });
  document.getElementById(block).innerHTML = await answer.text();
});
