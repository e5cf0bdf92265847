// Exchanges the token for a cookie that Temporal's UI is opened with. Neither is kept here.
const element = (id) => document.getElementById(id);

async function logIn() {
  const authorization = `Bearer ${element('token').value.trim()}`;
  const response = await fetch('/api/v1/temporal-login', { method: 'POST', headers: { authorization } });
  if (response.ok) return location.replace('/temporal');
  const problem = await response.json().catch(() => ({}));
  element('notice').textContent =
    response.status === 401
      ? 'That is not a token of this server.'
      : (problem.detail ?? `The server answers ${response.status}.`);
}

function tryIt() {
  logIn().catch(() => {
    element('notice').textContent = 'No answer; try again.';
  });
}
element('log-in').addEventListener('click', tryIt);
element('token').addEventListener('keydown', ({ key }) => {
  if (key === 'Enter') tryIt();
});
element('token').focus();
