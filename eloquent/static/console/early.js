// The staff console's scripts under a policy without eval and without inline styles. Runs before Alpine and htmx begin.
"use strict";

// Both would be refused: a style tag that htmx writes, and hx-on, js: and trigger filters, which it evaluates.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
htmx.config.allowScriptTags = false;
htmx.config.selfRequestsOnly = true;

// Alpine makes a function of each attribute's text. In its place: expressions that are read here, in a small language
// without a way out. It has the page's own state, the functions below and what they make; of other objects it reads
// properties, and calls and changes nothing. Markup that somebody smuggles into a page can so fold a menu, and no more.
const FUNCTIONS = {
  theme: () => theme,
  searchForm: () => searchForm,
  searchDropdown: () => searchDropdown,
  searchCommand: () => searchCommand,
  getCurrentTab: () => getCurrentTab,
  sortRecords: () => sortRecords,
  moveRecords: () => moveRecords,
};
const ours = new WeakSet();

// The functions in an object that one of ours has made are ours, and those one level below.
function trust(made) {
  for (const value of Object.values(made)) {
    if (typeof value === "function") ours.add(value);
    else if (value && Object.getPrototypeOf(value) === Object.prototype) {
      for (const inner of Object.values(value)) if (typeof inner === "function") ours.add(inner);
    }
  }
}

const LITERALS = { true: true, false: false, null: null, undefined };

// What the templates say beyond that language, word for word.
const EXACT = {
  "activeTab = ''; $watch('sidebarDesktopOpen', value => localStorage.setItem('sidebarDesktopOpen', value ? '1' : '0'));":
    (scope) => {
      scope.activeTab = "";
      keepSidebar(scope);
    },
  "sidebarDesktopOpen = !sidebarDesktopOpen; localStorage.setItem('sidebarDesktopOpen', sidebarDesktopOpen ? '1' : '0');":
    (scope) => {
      scope.sidebarDesktopOpen = !scope.sidebarDesktopOpen;  // what watches it keeps it
    },
  "activeTab && activeTab !== 'general' ? window.location.pathname + window.location.search + '#' + activeTab : window.location.pathname + window.location.search":
    ({ activeTab }) => location.pathname + location.search + (activeTab && activeTab !== "general" ? `#${activeTab}` : ""),
  "window.location.href = $el.href + window.location.hash": (_scope, el) => {
    location.href = el.href + location.hash;
  },
  // As text it would be an inline style.
  "'width: ' + changeListWidth + 'px'": ({ changeListWidth }) => ({ width: `${changeListWidth}px` }),
  "['h3', 'strong'].includes($event.target.tagName.toLowerCase()) && (openRow = !openRow)": (scope) => {
    if (["H3", "STRONG"].includes(scope.$event.target.tagName)) scope.openRow = !scope.openRow;
  },
  "openSearchResults = false; if ($refs.searchInput.value === '') { $refs.searchInput.blur() } else { $refs.searchInput.value = '' }":
    (scope) => {
      scope.openSearchResults = false;
      if (scope.$refs.searchInput.value === "") scope.$refs.searchInput.blur();
      else scope.$refs.searchInput.value = "";
    },
};

const SIDEBAR_DATA = new RegExp(
  "^\\{ (?:activeTab: '([\\w-]*)', )?sidebarMobileOpen: false, sidebarDesktopOpen: " +
  "\\(localStorage\\.getItem\\('sidebarDesktopOpen'\\) !== null\\) \\? " +
  "\\(localStorage\\.getItem\\('sidebarDesktopOpen'\\) == '1'\\) : true \\}$",
);
const SIDEBAR_INIT = new RegExp(
  "^activeTab = getCurrentTab\\(\\) \\|\\| '([\\w-]*)'; \\$watch\\('sidebarDesktopOpen', value => " +
  "localStorage\\.setItem\\('sidebarDesktopOpen', value \\? '1' : '0'\\)\\);$",
);
const ENTER = /^if \(!\$event\.metaKey && !\$event\.ctrlKey\) selectItem\((true|false), false\)$/;

// The same, where a word is the page's own.
const PATTERNS = [
  [SIDEBAR_DATA, (_scope, _el, tab) => ({
    ...(tab === undefined ? {} : { activeTab: tab }),
    sidebarMobileOpen: false,
    sidebarDesktopOpen: (localStorage.getItem("sidebarDesktopOpen") ?? "1") === "1",
  })],
  [SIDEBAR_INIT, (scope, _el, tab) => {
    scope.activeTab = getCurrentTab() || tab;
    keepSidebar(scope);
  }],
  [ENTER, (scope, _el, withHistory) => {
    if (!scope.$event.metaKey && !scope.$event.ctrlKey) scope.selectItem(withHistory === "true", false);
  }],
];

function keepSidebar(scope) {
  scope.$watch("sidebarDesktopOpen", (open) => localStorage.setItem("sidebarDesktopOpen", open ? "1" : "0"));
}

class Refused extends Error {}

const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|'((?:[^'\\\n])*)'|([A-Za-z_$][\w$]*)|(===|!==|==|!=|>=|<=|&&|\|\||[{}()[\],:;?!=<>+.]))/y;

function tokens(text) {
  const found = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new Refused(text.slice(at, at + 20));
    const [, number, string, name, sign] = match;
    if (number !== undefined) found.push({ value: Number(number) });
    else if (string !== undefined) found.push({ value: string });
    else found.push(name === undefined ? { sign } : { name });
  }
  return found;
}

// Each method reads a part of the expression and returns what computes it from a scope.
class Reader {
  constructor(text) {
    this.left = tokens(text);
  }

  sees(...signs) {
    return this.left.length > 0 && signs.includes(this.left[0].sign);
  }

  takes(...signs) {
    return this.sees(...signs) ? this.left.shift().sign : null;
  }

  expects(sign) {
    if (!this.takes(sign)) throw new Refused(`no ${sign}`);
  }

  all() {
    const steps = [];
    while (this.left.length > 0) {
      steps.push(this.assignment());
      if (this.left.length > 0) this.expects(";");
    }
    return (scope) => steps.reduce((_last, step) => step(scope), undefined);
  }

  assignment() {
    const [first, second] = this.left;
    if (first?.name && second?.sign === "=") {
      this.left.splice(0, 2);
      const value = this.assignment();
      return (scope) => (scope[first.name] = plain(value(scope)));
    }
    return this.choice();
  }

  choice() {
    const test = this.either();
    if (!this.takes("?")) return test;
    const yes = this.choice();
    this.expects(":");
    const no = this.choice();
    return (scope) => (test(scope) ? yes(scope) : no(scope));
  }

  either() {
    let left = this.both();
    while (this.takes("||")) {
      const [first, second] = [left, this.both()];
      left = (scope) => first(scope) || second(scope);
    }
    return left;
  }

  both() {
    let left = this.comparison();
    while (this.takes("&&")) {
      const [first, second] = [left, this.comparison()];
      left = (scope) => first(scope) && second(scope);
    }
    return left;
  }

  comparison() {
    const left = this.sum();
    const sign = this.takes("===", "!==", "==", "!=", ">", "<", ">=", "<=");
    if (!sign) return left;
    const right = this.sum();
    const compare = {
      "===": (a, b) => a === b, "!==": (a, b) => a !== b, "==": (a, b) => a == b, "!=": (a, b) => a != b,
      ">": (a, b) => a > b, "<": (a, b) => a < b, ">=": (a, b) => a >= b, "<=": (a, b) => a <= b,
    }[sign];
    return (scope) => compare(left(scope), right(scope));
  }

  sum() {
    let left = this.unary();
    while (this.takes("+")) {
      const [first, second] = [left, this.unary()];
      left = (scope) => first(scope) + second(scope);
    }
    return left;
  }

  unary() {
    if (!this.takes("!")) return this.member();
    const inner = this.unary();
    return (scope) => !inner(scope);
  }

  member() {
    let value = this.primary();
    while (this.sees(".", "[")) {
      const sign = this.left.shift().sign;
      const token = this.left.shift();
      const key = sign === "." ? token?.name : token?.value;
      if (typeof key !== "string") throw new Refused("a property without a name");
      if (sign === "[") this.expects("]");
      const object = value;
      value = (scope) => plain(object(scope)?.[key]);
    }
    if (this.sees("(")) throw new Refused("a call of another object's function");
    return value;
  }

  primary() {
    if (this.takes("(")) {
      const inner = this.assignment();
      this.expects(")");
      return inner;
    }
    if (this.takes("{")) return this.object();
    const token = this.left.shift();
    if (token === undefined || token.sign) throw new Refused(token?.sign ?? "an end too early");
    if (!token.name) return () => token.value;
    if (this.takes("(")) return this.call(token.name);
    if (Object.hasOwn(LITERALS, token.name)) return () => LITERALS[token.name];
    return (scope) => valueOf(scope, token.name);
  }

  call(name) {
    const given = [];
    while (!this.takes(")")) {
      given.push(this.choice());
      if (!this.sees(")")) this.expects(",");
    }
    return (scope) => {
      const called = valueOf(scope, name);
      if (!ours.has(called)) throw new Refused(`${name} is not to be called`);
      const made = called.apply(scope, given.map((value) => value(scope)));
      if (Object.hasOwn(FUNCTIONS, name) && made !== null && typeof made === "object") trust(made);
      return made;
    };
  }

  object() {
    const fields = [];
    while (!this.takes("}")) {
      const key = this.left.shift();
      this.expects(":");
      fields.push([key.name ?? String(key.value), this.choice()]);
      if (!this.sees("}")) this.expects(",");
    }
    return (scope) => Object.fromEntries(fields.map(([key, value]) => [key, value(scope)]));
  }
}

// A function is had by its own name only.
function plain(value) {
  return typeof value === "function" ? undefined : value;
}

function valueOf(scope, name) {
  if (name in scope) return scope[name];
  if (!Object.hasOwn(FUNCTIONS, name)) return undefined;
  const value = FUNCTIONS[name]();
  ours.add(value);
  return value;
}

const read = new Map();

function compiled(text) {
  const bare = text.trim().replace(/\s+/g, " ");
  if (!read.has(bare)) read.set(bare, compile(bare));
  return read.get(bare);
}

function compile(text) {
  if (Object.hasOwn(EXACT, text)) return EXACT[text];
  for (const [pattern, run] of PATTERNS) {
    const match = pattern.exec(text);
    if (match) return (scope, el) => run(scope, el, ...match.slice(1));
  }
  const steps = tried(text, () => new Reader(text).all());
  return (scope) => tried(text, () => steps?.(scope));
}

function tried(text, run) {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    console.error(`The console does not evaluate “${text}”: ${error.message}`);
    return undefined;
  }
}

// What Alpine asks for: a function that computes the expression anew each time and hands the result on.
function evaluatorOf(el, expression) {
  const $dispatch = (name, detail = {}) =>
    el.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true, cancelable: true }));
  ours.add($dispatch);
  const run = typeof expression === "function" ? (scope, _el, given) => {
    if (ours.has(expression)) return expression.apply(scope, given);
    return tried(expression.name, () => { throw new Refused("not a function of ours"); });
  } : compiled(expression);
  return (receive = () => {}, { scope = {}, params = [] } = {}) => {
    const all = Alpine.mergeProxies([scope, { $el: el, $dispatch }, ...Alpine.closestDataStack(el)]);
    const result = run(all, el, params);
    receive(ours.has(result) ? result.apply(all, params) : result);
  };
}

document.addEventListener("alpine:init", () => Alpine.setEvaluator(evaluatorOf));
