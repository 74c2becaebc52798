// What the page can tell without a key: where the API is, and that it answers.
const base = new URL("v1", document.baseURI);

/** @param {string} id @param {string} text */
function show(id, text) {
	const node = document.getElementById(id);
	if (node)
		node.textContent = text;
}

async function state() {
	try {
		const r = await fetch(`${base}/health`, { signal: AbortSignal.timeout(10000) });
		const body = await r.json();
		return `${body.status}, version ${body.version}`;
	} catch {
		return "does not answer";
	}
}

show("base", base.href);
show("state", await state());
