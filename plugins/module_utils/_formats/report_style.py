# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The style sheet of the fleet report: for a screen, a phone, the dark and paper."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark;
  --page: #f4f5f7; --card: #ffffff; --text: #1b1f24; --soft: #5a6472; --line: #d9dee5; --code: #eef1f4;
  --good: #16703c; --good-back: #e3f4e9; --warn: #8a5300; --warn-back: #fdf0d8; --bad: #b3261e; --bad-back: #fce8e6;
  --bar: #3b73c4; --bar-back: #dfe6f1; }
@media (prefers-color-scheme: dark) { :root {
  --page: #101418; --card: #191f26; --text: #e4e8ee; --soft: #9aa6b4; --line: #313a45; --code: #232b34;
  --good: #6fd195; --good-back: #173324; --warn: #f0b95b; --warn-back: #3a2c12; --bad: #ff8f86; --bad-back: #431d1b;
  --bar: #6b9be0; --bar-back: #2a3441; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--text); font: .94rem/1.45 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
main { max-width: 1500px; margin: 0 auto; padding: 24px; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 1.15rem; margin: 32px 0 10px; }
p { margin: 4px 0; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .86em; }
.soft { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 10px; margin: 18px 0 0;
  padding: 0; list-style: none; }
.tiles li { padding: 12px 14px; }
.tiles b { display: block; font-size: 1.35rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tiles .good b { color: var(--good); } .tiles .bad b { color: var(--bad); } .tiles .warn b { color: var(--warn); }
.all-good { padding: 14px 16px; color: var(--good); background: var(--good-back); border-color: transparent; }
.problems { list-style: none; margin: 0; padding: 0; overflow: hidden; }
.problems > li { padding: 11px 16px; border-left: 5px solid var(--warn); border-bottom: 1px solid var(--line); }
.problems > li.error { border-left-color: var(--bad); }
.problems > li:last-child { border-bottom: 0; }
.badge { display: inline-block; padding: 0 8px; margin-right: 8px; border-radius: 9px; font-size: .8rem;
  font-weight: 600; background: var(--warn-back); color: var(--warn); white-space: nowrap; }
.badge.error, .badge.bad { background: var(--bad-back); color: var(--bad); }
.badge.good { background: var(--good-back); color: var(--good); }
.hosts span, summary { display: inline-block; margin: 4px 6px 0 0; padding: 1px 8px; border-radius: 6px;
  background: var(--code); font-size: .88rem; }
summary { cursor: pointer; }
.scroll { overflow-x: auto; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 8px 12px; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  max-width: 26rem; overflow-wrap: break-word; }
tbody tr:last-child > * { border-bottom: 0; }
thead th { font-size: .85rem; color: var(--soft); font-weight: 600; vertical-align: bottom; }
.plain code { font-size: .76em; }
.matrix th:first-child { position: sticky; left: 0; background: var(--card); z-index: 1; min-width: 8rem;
  border-right: 1px solid var(--line); }
.matrix td { min-width: 10.4rem; font-size: .88rem; }
.matrix td > * { display: block; }
.state { font-weight: 600; white-space: nowrap; }
.verified .state { color: var(--good); }
.damaged, .missing { background: var(--bad-back); }
.damaged .state, .missing .state { color: var(--bad); }
.drift { color: var(--bad); }
.offline { color: var(--soft); }
.registry { color: var(--warn); }
.none { color: var(--soft); }
.number { text-align: right; }
.number, .date { white-space: nowrap; }
.bars { width: 100%; min-width: 120px; height: 18px; display: block; }
.bars .apparent { fill: var(--bar-back); } .bars .allocated { fill: var(--bar); }
.lineage { display: block; margin: 14px; }
.lineage rect { fill: var(--card); stroke: var(--soft); stroke-width: 1.4; }
.lineage .bad rect { stroke: var(--bad); stroke-width: 2; }
.lineage .absent rect { stroke-dasharray: 5 4; }
.lineage .edge { fill: none; stroke: var(--soft); stroke-width: 1.4; }
.lineage text { fill: var(--text); font-size: 13px; font-weight: 600; }
.lineage .detail { fill: var(--soft); font-size: 11px; font-weight: 400; }
footer { margin: 28px 0 8px; font-size: .88rem; color: var(--soft); }
@media (min-width: 1100px) { .digest { white-space: nowrap; max-width: none; } }
@media (max-width: 720px) {
  main { padding: 14px; }
  .tiles { grid-template-columns: repeat(2, 1fr); }
  .stacked, .stacked tbody, .stacked tr, .stacked th, .stacked td { display: block; width: auto; }
  .stacked thead { display: none; }
  .stacked tr { border-bottom: 1px solid var(--line); padding: 8px 0; }
  .stacked tr:last-child { border-bottom: 0; }
  .stacked th:first-child { position: static; border: 0; padding-bottom: 2px; font-size: 1.05rem; }
  .stacked td { border: 0; padding: 5px 12px; text-align: left; white-space: normal; min-width: 0;
    max-width: none; overflow-wrap: anywhere; }
  .stacked td::before { content: attr(data-label); display: block; font-size: .8rem; color: var(--soft); }
  .matrix td > * { display: inline-block; margin-right: 10px; }
  .matrix td.none { display: none; }
}
@page { size: A4 landscape; margin: 12mm; }
@media print {
  :root { --page: #fff; --card: #fff; --text: #000; --soft: #444; --line: #bbb; --code: #eee; --good: #0d5a2d;
    --good-back: #fff; --warn: #6d4200; --warn-back: #fff; --bad: #a11; --bad-back: #fff; --bar: #444;
    --bar-back: #ccc; }
  html { font-size: 11px; }
  main { max-width: none; padding: 0; }
  h2 { break-after: avoid; }
  tr, .problems > li, .tiles li { break-inside: avoid; }
  .scroll { overflow: visible; }
  details::details-content { content-visibility: visible; block-size: auto; }
  .bars rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .lineage { max-width: 100%; height: auto; }
  .matrix.wide, .wide tbody, .wide tr, .wide th { display: block; width: auto; }
  .wide thead { display: none; }
  .wide tr { border-bottom: 1px solid var(--line); padding: 3px 0; }
  .wide th:first-child { position: static; border: 0; }
  .wide td { display: inline-block; border: 0; width: 24%; min-width: 0; padding: 2px 8px; }
  .wide td::before { content: attr(data-label); font-weight: 600; }
  .wide td.none { display: none; }
}
"""
