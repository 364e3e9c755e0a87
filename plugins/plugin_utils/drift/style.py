# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the drift report looks. Colours never stand alone: words and signs say the same on black-and-white paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --panel: #f6f7f9; --text: #1b1f24; --quiet: #5d6673; --line: #d9dee5;
  --changed: #8a5a00; --changed-ground: #fff3d6; --missing: #a4161a; --missing-ground: #fde8e8;
  --unowned: #5b3a9e; --unowned-ground: #efe9fb; --follows: #4a5563; --follows-ground: #e9edf2;
  --good: #14662f; --good-ground: #e3f5e8; --del-ground: #e3f0ff; --ins-ground: #fff0c9; --link: #0b57c2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171c; --panel: #1d2229; --text: #e6e9ee; --quiet: #9aa5b3; --line: #343c47;
    --changed: #ffc861; --changed-ground: #3b2f12; --missing: #ff9c9c; --missing-ground: #431d1f;
    --unowned: #cdb4ff; --unowned-ground: #31264d; --follows: #b9c4d1; --follows-ground: #2a313b;
    --good: #86e0a1; --good-ground: #16361f; --del-ground: #18324f; --ins-ground: #43360f; --link: #84b6ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem clamp(.75rem, 3vw, 2rem) 3rem; max-width: 76rem; background: var(--ground);
  color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
}
code, .code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .86em; }
a { color: var(--link); }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; }
h2 { margin: 2.2rem 0 .8rem; padding-bottom: .3rem; border-bottom: 2px solid var(--line); font-size: 1.25rem; }
h3 { margin: 1.5rem 0 .6rem; font-size: 1.05rem; }
h4 { margin: 0; font-size: .98rem; display: flex; flex-wrap: wrap; gap: .25rem .6rem; align-items: baseline; }
h4 span:last-child { overflow-wrap: anywhere; }
small { color: var(--quiet); font-weight: normal; font-size: .8em; margin-left: .35rem; }
p { margin: .4rem 0; }
.meta, .id { color: var(--quiet); }
.id code { overflow-wrap: anywhere; }
.verdict { margin: 1rem 0 0; padding: .8rem 1rem; border-left: .35rem solid; border-radius: .3rem; }
.verdict strong { font-size: 1.15rem; margin-right: .5rem; }
.verdict span { color: var(--text); }
.verdict.good { color: var(--good); background: var(--good-ground); border-color: var(--good); }
.verdict.bad { color: var(--missing); background: var(--missing-ground); border-color: var(--missing); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
thead th { color: var(--quiet); font-weight: 600; font-size: .85rem; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; }
tbody th[scope=rowgroup] { font-weight: 600; }
tbody th code { font-weight: normal; color: var(--quiet); }
tfoot th, tfoot td { border-top: 2px solid var(--line); border-bottom: 0; font-weight: 600; }
td.changed, td.missing, td.unowned, td.follows { font-weight: 700; }
td.changed { color: var(--changed); } td.missing { color: var(--missing); }
td.unowned { color: var(--unowned); } td.follows { color: var(--follows); }
td.failed { color: var(--missing); font-weight: 600; }
.quiet { color: var(--quiet); }
.item {
  margin: .7rem 0; padding: .7rem .9rem; background: var(--panel); border: 1px solid var(--line);
  border-left: .3rem solid var(--follows); border-radius: .3rem;
}
.item.changed { border-left-color: var(--changed); } .item.missing { border-left-color: var(--missing); }
.item.unowned { border-left-color: var(--unowned); } .item.failed { border-left-color: var(--missing); }
.chip {
  flex: none; padding: .05rem .5rem; border: 1px solid; border-radius: 1rem; font-size: .78rem; font-weight: 600;
  color: var(--follows); background: var(--follows-ground);
}
.chip.changed { color: var(--changed); background: var(--changed-ground); }
.chip.missing, .chip.failed { color: var(--missing); background: var(--missing-ground); }
.chip.unowned { color: var(--unowned); background: var(--unowned-ground); }
.values { margin: .5rem 0; table-layout: fixed; background: var(--ground); border: 1px solid var(--line); }
.values th[scope=row] { width: 22%; font-weight: 600; overflow-wrap: anywhere; font-size: .88rem; }
.values thead th:first-child { width: 22%; }
.code > * { display: block; white-space: pre-wrap; overflow-wrap: anywhere; text-decoration: none; padding: 0 .3rem; }
.code del { background: var(--del-ground); } .code ins { background: var(--ins-ground); }
.code del::before { content: "\\2212  "; } .code ins::before { content: "+ "; }
.code .skip { color: var(--quiet); font-style: italic; }
.note { color: var(--quiet); border-left: 2px solid var(--line); padding-left: .6rem; overflow-wrap: anywhere; }
.events { margin: .4rem 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
.advice { overflow-wrap: anywhere; }
.legend dl { margin: 0; } .legend dl div { display: flex; gap: .8rem; margin: .3rem 0; }
.legend dt { flex: 0 0 6rem; } .legend dd { margin: 0; }
@media (max-width: 40rem) {
  body { font-size: 16px; }
  .values, .values tbody, .values tr, .values th[scope=row], .values td { display: block; width: 100%; }
  .values thead { display: none; }
  .values th[scope=row] { border-bottom: 0; padding-bottom: 0; }
  .values td::before { content: attr(data-side); display: block; color: var(--quiet); font-size: .8rem; }
  .summary th, .summary td { padding: .3rem .4rem; font-size: .88rem; }
  .summary th code { display: block; } .summary .all { display: none; }
}
@media print {
  :root {
    --ground: #fff; --panel: #fff; --text: #000; --quiet: #444; --line: #999; --changed: #000; --missing: #000;
    --unowned: #000; --follows: #000; --good: #000; --changed-ground: #fff; --missing-ground: #fff;
    --unowned-ground: #fff; --follows-ground: #fff; --good-ground: #fff; --del-ground: #fff; --ins-ground: #fff;
    --link: #000; color-scheme: light;
  }
  @page { margin: 16mm 14mm; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  a { text-decoration: none; }
  h2, h3, h4 { break-after: avoid; }
  thead { display: table-header-group; }
  .summary tr, .chip, .verdict { break-inside: avoid; }
  .item { break-inside: auto; }
  .item h4, .item h4 + p { break-after: avoid; }
  .code ins { font-weight: 700; } .scroll { overflow: visible; }
}
"""
