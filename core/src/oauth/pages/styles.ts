/** The style sheet of every page. The accent is checked by the configuration's schema, so it can be put in as it is. */
export function pageStyles(accentColor: string): string {
  return `:root { --accent: ${accentColor}; --ink: #1b1f24; --faint: #57606a; --line: #d0d7de; --paper: #fff; --back: #f4f5f7;
  --high: #9a1c1c; --medium: #7a4d00; color-scheme: light dark }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --faint: #a6adb5; --line: #3b424a; --paper: #1c2026; --back: #121519;
  --high: #ff9b93; --medium: #f0c068 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
header { display: flex; gap: .6rem; align-items: center; justify-content: center; padding: 1.5rem 1rem 1rem; font-weight: 600 }
main { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; margin: 0 auto 3rem; max-width: 34rem;
  padding: 1.75rem; width: calc(100% - 2rem) }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .75rem } h2.part { font-size: 1rem; margin: 1.5rem 0 .4rem } h3 { font-size: .85rem; margin: .9rem 0 .2rem }
p { margin: .4rem 0 } ul { margin: .3rem 0; padding: 0; list-style: none }
li { padding: .35rem 0; border-top: 1px solid var(--line) } li:first-child { border-top: 0 }
.faint { color: var(--faint); font-size: .9rem } .app { display: flex; gap: .9rem; align-items: center }
.app img { border-radius: 10px; width: 56px; height: 56px; object-fit: cover }
.notice { border-left: 4px solid var(--accent); background: var(--back); padding: .6rem .9rem; border-radius: 4px; margin: 1rem 0 }
.wrong { border-left-color: var(--high) }
h3.high { color: var(--high) } h3.medium { color: var(--medium) }
label { display: block; padding: .35rem 0 } label.field { font-weight: 600 } fieldset { border: 0; margin: 0; padding: 0 }
legend { font-weight: 600; margin: 1.5rem 0 .4rem; padding: 0 } .scroll { max-height: 17rem; overflow: auto; border: 1px solid var(--line);
  border-radius: 8px; padding: .25rem .75rem; margin: .4rem 0 }
input[type=email], input[type=password], input[type=search] { display: block; width: 100%; font: inherit; padding: .55rem .7rem;
  margin: .2rem 0 .8rem; border: 1px solid var(--faint); border-radius: 8px; background: var(--paper); color: inherit }
input[type=checkbox], input[type=radio] { width: 1.1rem; height: 1.1rem; margin-right: .5rem; vertical-align: -.15rem; accent-color: var(--accent) }
fieldset label, .scroll label, li label { display: flex; gap: .2rem; align-items: flex-start } fieldset input { flex: none; margin-top: .2rem }
.buttons { display: flex; gap: .75rem; margin-top: 1.75rem; flex-wrap: wrap }
button, .button { font: inherit; font-weight: 600; padding: .6rem 1.3rem; border-radius: 8px; border: 1px solid var(--faint);
  background: var(--paper); color: var(--ink); cursor: pointer; text-decoration: none }
button.primary { background: var(--accent); border-color: var(--accent); color: #fff }
.signout { margin-bottom: 1.25rem } button.link { border: 0; padding: 0; background: none; color: inherit; font-weight: 400; text-decoration: underline }
a { color: var(--accent) } @media (prefers-color-scheme: dark) { a { color: inherit } }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.prices td { padding: .25rem .75rem .25rem 0 } .struck { text-decoration: line-through; color: var(--faint) }
`
}
