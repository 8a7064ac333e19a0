// Opens pages in Chromium, and prints as JSON what is wrong with each. The tests start it:
//
//   node check.mjs PACKAGES CHROMIUM SCREENSHOTS PAGE...
//
// PACKAGES is the folder of make browser, SCREENSHOTS a folder for pictures or "". Each page is opened in light and dark, wide and
// narrow, and as for paper.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [packages, chromium, screenshots, ...pages] = process.argv.slice(2);
const require = createRequire(join(packages, "check.js"));
const puppeteer = require("puppeteer-core");
const { HtmlValidate } = require("html-validate");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

// A report has styles of its own in the page, since it is one file.
const validator = new HtmlValidate({ extends: ["html-validate:recommended"], rules: { "no-inline-style": "off" } });

const views = [
	{ name: "light", scheme: "light", width: 1280, axe: true },
	{ name: "dark", scheme: "dark", width: 1280, axe: true },
	{ name: "narrow", scheme: "light", width: 400 },
	{ name: "narrow-dark", scheme: "dark", width: 400 },
	{ name: "paper", scheme: "dark", width: 700, media: "print" },
];

// overlaps runs in the page. It returns texts of a picture that touch each other or leave the picture, sections that lie over each
// other, and what is wider than the page.
function overlaps() {
	const found = [];
	const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
	for (const svg of document.querySelectorAll("svg.chart")) {
		const frame = svg.getBoundingClientRect();
		const texts = [...svg.querySelectorAll("text")].map((t) => ({ text: t.textContent, box: t.getBoundingClientRect() }));
		const name = svg.querySelector("title").textContent;
		texts.forEach((a, i) => {
			if (a.box.left < frame.left - 1 || a.box.right > frame.right + 1 || a.box.top < frame.top - 1 || a.box.bottom > frame.bottom + 1)
				found.push(`${name}: the text ${a.text} leaves the picture`);
			for (const b of texts.slice(i + 1)) if (over(a.box, b.box)) found.push(`${name}: the texts ${a.text} and ${b.text} touch`);
			if (a.box.height < 8) found.push(`${name}: the text ${a.text} is ${a.box.height} pixels high`);
		});
	}
	const blocks = [
		...document.querySelectorAll("main > section > *, header > *, footer, figure > *, .figures > div, .row > *, .pair > *, .pictures > *, .columns > *, section section > *, nav li"),
	].filter((e) => e.getClientRects().length > 0);
	const boxes = blocks.map((e) => e.getBoundingClientRect());
	blocks.forEach((a, i) => {
		for (let j = i + 1; j < blocks.length; j++) {
			const b = blocks[j];
			if (boxes[j].top > boxes[i].bottom + 1) continue;
			if (!a.contains(b) && !b.contains(a) && over(boxes[i], boxes[j])) found.push(`${a.className || a.tagName} and ${b.className || b.tagName} lie over each other: ${a.textContent.slice(0, 30)}, ${b.textContent.slice(0, 30)}`);
		}
	});
	const width = document.documentElement.clientWidth;
	if (document.documentElement.scrollWidth > width) {
		const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > width + 1 && !e.closest(".wide, .text"));
		found.push(`the page is ${document.documentElement.scrollWidth} pixels wide in a window of ${width}: ${wide.slice(0, 3).map((e) => e.tagName + "." + e.className)}`);
	}
	return found.slice(0, 20);
}

// hindrances returns what axe-core finds. axe-core is a script: the page's own policy, which forbids scripts, is lifted for it alone.
async function hindrances(browser, url, view) {
	const page = await browser.newPage();
	await page.setBypassCSP(true);
	await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: view.scheme }]);
	await page.setViewport({ width: view.width, height: 900 });
	await page.goto(url, { waitUntil: "load" });
	await page.evaluate(axe);
	const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
	await page.close();
	const grave = result.violations.filter((v) => ["serious", "critical"].includes(v.impact));
	return grave.map((v) => `axe, ${v.impact}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary}`).join("; ")}`);
}

async function look(browser, file, view) {
	const page = await browser.newPage();
	const findings = [];
	const url = pathToFileURL(file).href;
	page.on("console", (m) => findings.push(`console: ${m.text()}`));
	page.on("pageerror", (e) => findings.push(`error: ${e.message}`));
	page.on("dialog", (d) => { findings.push(`dialog: ${d.message()}`); d.dismiss(); });
	page.on("request", (r) => { if (r.url().split("#")[0] !== url && !r.url().startsWith("data:")) findings.push(`request: ${r.url()}`); });
	page.on("popup", () => findings.push("a window opened"));
	await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: view.scheme }]);
	if (view.media) await page.emulateMediaType(view.media);
	await page.setViewport({ width: view.width, height: 900 });
	await page.goto(url, { waitUntil: "load" });
	if (await page.evaluate(() => "pwned" in window)) findings.push("a script of a row ran");
	findings.push(...(await page.evaluate(overlaps)));
	const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
	const bright = background.match(/\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0) > 384;
	if (bright !== (view.scheme === "light" || view.media === "print")) findings.push(`the background is ${background} in ${view.scheme}`);
	if (view.axe) findings.push(...(await hindrances(browser, url, view)));
	if (screenshots) await page.screenshot({ path: join(screenshots, `${basename(dirname(file))}-${view.name}.png`), fullPage: true });
	await page.close();
	return findings;
}

const browser = await puppeteer.launch({
	executablePath: chromium, headless: true, pipe: true,
	args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run"],
});
const findings = {};
try {
	for (const file of pages) {
		const all = (findings[file] = []);
		const report = await validator.validateFile(file);
		for (const r of report.results) for (const m of r.messages.slice(0, 20)) all.push(`html-validate: ${m.line}:${m.column}: ${m.message} (${m.ruleId})`);
		for (const view of views) for (const f of await look(browser, file, view)) all.push(`${view.name}: ${f}`);
	}
} finally {
	await browser.close();
}
console.log(JSON.stringify(findings));
