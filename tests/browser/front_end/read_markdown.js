// Reads Markdown as other programs do that run JavaScript: from a file with a list of texts to one with the pages of each reader.

import { readFileSync, writeFileSync } from 'node:fs';
import katex from '@vscode/markdown-it-katex';
import MarkdownIt from 'markdown-it';
import { marked } from 'marked';
import { micromark } from 'micromark';
import { gfm, gfmHtml } from 'micromark-extension-gfm';
import { math, mathHtml } from 'micromark-extension-math';

const unsafe = { allowDangerousHtml: true, allowDangerousProtocol: true };
const withFormulas = { extensions: [gfm(), math()], htmlExtensions: [gfmHtml(), mathHtml({ throwOnError: false, strict: false })] };
const markdownIt = new MarkdownIt({ html: true, linkify: true });
const vscode = new MarkdownIt({ html: true, linkify: true }).use(katex.default ?? katex, { strict: false });
for (const reader of [markdownIt, vscode]) reader.validateLink = () => true;

const readers = {
  marked: (text) => marked.parse(text),
  'markdown-it': (text) => markdownIt.render(text),
  'markdown-it as in VS Code': (text) => vscode.render(text),
  micromark: (text) => micromark(text, { ...unsafe, extensions: [gfm()], htmlExtensions: [gfmHtml()] }),
  'micromark with formulas': (text) => micromark(text, { ...unsafe, ...withFormulas }),
};
const [from, to] = process.argv.slice(2);
const texts = JSON.parse(readFileSync(from, 'utf8'));
writeFileSync(to, JSON.stringify(Object.fromEntries(Object.entries(readers).map(([name, read]) => [name, texts.map(read)]))));
