// The live page: alerts as they are raised, from /api/v1/alerts/stream, with today's counts and the case behind each.
// Whatever comes from data is put in as text, never as markup.
'use strict';

const YELLOW_SHOWN = 60, RED_SHOWN = 60, RED_FOLDED = 6, SPARK_POINTS = 60, LIVE_WITHIN_MS = 12000;
const STATES = {
  lead: ['线索', 'lead'], verifying: ['核查中', 'verifying'], handling: ['处置中', 'handling'],
  transferred: ['已移送', 'transferred'], filed: ['已立案', 'filed'], declined: ['不予立案', 'declined'],
  closed: ['已办结', 'closed'], dismissed: ['已排除', 'dismissed'], merged: ['已并案', 'merged'],
};
const TASKS = {
  hold_parcel: ['扣留快件', 'hold parcel'], open_inspect: ['开箱验视', 'open and inspect'], second_xray: ['二次安检', 'second X-ray'],
  identity_check: ['核对身份', 'identity check'], site_visit: ['现场检查', 'site visit'],
  collect_evidence: ['收集证据', 'collect evidence'], filing_decision: ['立案决定', 'filing decision'],
};
const FIELDS = {
  'item.remark': '备注', 'item.category': '类别', 'xray.labels': '安检图像', 'xray.result': '安检', 'inspection.opened': '验视',
  'inspection.result': '验视', 'real_name.verified': '实名', 'real_name.name_match': '人证', 'sender.phone': '寄件电话',
  'sender.id_no': '寄件证件', 'receiver.phone': '收件电话', 'sender.region': '寄件地区', 'receiver.region': '收件地区',
};
const WHO = {
  center: ['安全中心', 'center'], police: ['公安', 'police'], regulator: ['邮政管理局', 'regulator'],
  prosecutor: ['检察', 'prosecutor'], emergency_management: ['应急管理', 'emergency management'],
  environment: ['生态环境', 'environment'], health: ['卫生健康', 'health'], publishing: ['新闻出版', 'publishing'],
  state_security: ['国家安全', 'state security'], market_regulation: ['市场监管', 'market regulation'],
  forestry: ['林业和草原', 'forestry'], customs: ['海关', 'customs'], engine: ['系统', 'engine'],
};
const $ = id => document.getElementById(id);
const alerts = new Map();      // by alert_id, bounded by `trim`
const redCases = new Map();    // case_id → case, for the clocks
const rates = [];
let lastId = null, stream = null, retryMs = 1000, heardAt = 0, streamOpen = false, loaded = false;
let ruleSet = null, showAllRed = false, panelCase = null, panelFrom = null, counts = { red: 0, yellow: 0 };

// ---- text -----------------------------------------------------------------------------------------------------------
const two = n => String(n).padStart(2, '0');
const number = n => (n === null || n === undefined) ? '–' : Number(n).toLocaleString('en-US');
const words = (table, key) => table[key] || [key, ''];
function clock(ms) {
  const s = Math.floor(Math.abs(ms) / 1000), h = Math.floor(s / 3600);
  return (h ? h + ':' + two(Math.floor(s / 60) % 60) : Math.floor(s / 60)) + ':' + two(s % 60);
}
function age(s) {
  if (s < 90) return [`${Math.floor(s)} 秒前`, `${Math.floor(s)} s ago`];
  if (s < 5400) return [`${Math.round(s / 60)} 分钟前`, `${Math.round(s / 60)} min ago`];
  if (s < 129600) return [`${Math.round(s / 3600)} 小时前`, `${Math.round(s / 3600)} h ago`];
  return [`${Math.round(s / 86400)} 天前`, `${Math.round(s / 86400)} d ago`];
}
function local(iso, withDay) {
  const at = new Date(iso), day = `${two(at.getMonth() + 1)}-${two(at.getDate())} `;
  const today = at.toDateString() === new Date().toDateString();
  return (withDay && !today ? day : '') + `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
function setTime(element, iso) {
  element.textContent = local(iso, true);
  element.dateTime = iso;
  element.title = iso;
}
function el(name, text, className) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}
// Chinese with the English small beside it.
function both(element, [zh, en]) {
  element.replaceChildren(zh, ...(en ? [' ', el('span', en, 'en')] : []));
  return element;
}

// ---- alerts ---------------------------------------------------------------------------------------------------------
function take(alert, fresh) {
  const known = alerts.get(alert.alert_id);
  if (known && known.revision >= alert.revision) return;
  alert.card = known && known.card;
  alert.fresh = fresh && !known;
  alert.takenAt = Date.now();
  if (alert.supersedes) alerts.delete(alert.supersedes);
  alerts.set(alert.alert_id, alert);
  if (known && known.card) fill(known.card, alert);
  if (alert.fresh && alert.color === 'red') {
    $('spoken').textContent = `红色预警 Red alert: ${alert.category_zh} ${alert.goods.name}`;
    redCasesIn(300);
  }
  drawSoon();
}
const ofColor = color => [...alerts.values()].filter(a => a.color === color && !a.superseded_by)
  .sort((a, b) => (a.raised_at < b.raised_at ? 1 : a.raised_at > b.raised_at ? -1 : 0));
function trim(list, keep) {
  for (const alert of list.splice(keep)) alerts.delete(alert.alert_id);
  return list;
}
let drawing = false;
function drawSoon() {
  if (!drawing) { drawing = true; requestAnimationFrame(() => { drawing = false; draw(); }); }
}
function draw() {
  const red = trim(ofColor('red'), RED_SHOWN), yellow = trim(ofColor('yellow'), YELLOW_SHOWN);
  place($('red'), showAllRed ? red : red.slice(0, RED_FOLDED));
  place($('yellow'), yellow);
  const more = red.length - RED_FOLDED, others = red.length < RED_SHOWN ? more : more + '+';
  $('more-red').hidden = more <= 0;
  both($('more-red'), showAllRed ? ['收起', 'fold'] : [`还有 ${others} 条`, `${others} more`]);
  empty($('red-empty'), red.length, ['没有红色预警。', 'No red alert.']);
  empty($('yellow-empty'), yellow.length, ['没有黄色预警。', 'No yellow alert.']);
}
function empty(element, some, text) {
  element.hidden = some > 0;
  if (!some && loaded) both(element, text);
}
// Brings the children of `box` to the cards of `list`, moving as few as can be.
function place(box, list) {
  const wanted = new Set(list.map(alert => alert.card || (alert.card = fill(newCard(), alert))));
  for (const card of [...box.children]) if (!wanted.has(card)) card.remove();
  let at = box.firstElementChild;
  for (const card of wanted) {
    if (card === at) at = at.nextElementSibling;
    else box.insertBefore(card, at);
  }
}
function newCard() {
  const card = $('card').content.firstElementChild.cloneNode(true);
  card.querySelector('.case').addEventListener('click', event => openCase(card.dataset.case, event.currentTarget));
  return card;
}
function fill(card, alert) {
  const part = name => card.querySelector('.' + name), hit = alert.hits[0] || {};
  card.className = `card ${alert.color}` + (alert.fresh ? ' fresh' : '') + (alert.case_id === panelCase ? ' open' : '');
  card.dataset.case = alert.case_id || '';
  both(part('category'), [`${alert.category} ${alert.category_zh}`, alert.category_en]);
  part('category').title = `${alert.category_zh} ${alert.category_en}`;
  setTime(part('at'), alert.raised_at);
  goods(part('goods'), alert);
  part('rule').replaceChildren(hit.title || '', alert.hits.length > 1 ? ` +${alert.hits.length - 1}` : '');
  part('rule').title = alert.hits.map(h => `${h.title}（${h.field} ${h.text}，${h.score}）`).join('\n');
  part('bar').firstElementChild.style.width = Math.min(100, alert.score / 1.5) + '%';
  part('bar').setAttribute('aria-label', `评分 score ${alert.score}`);
  part('score').textContent = alert.score;
  part('waybill').textContent = `${alert.carrier} ${alert.waybill_no}`;
  part('region').textContent = alert.region_name || alert.region || '–';
  part('place').title = `${alert.region} ${alert.region_name} ${alert.site_name}`;
  part('sender').textContent = person(alert.sender);
  part('receiver').textContent = person(alert.receiver);
  both(part('case'), alert.case_id ? [`案件 ${alert.case_id}`, 'case'] : ['未立案件', 'no case']);
  part('case').disabled = !alert.case_id;
  return card;
}
const person = p => [p.name, p.phone].filter(Boolean).join(' ') || '–';
// The goods' name with every matched span of it marked; what matched in other fields stands after it.
function goods(element, alert) {
  const chars = [...(alert.goods.name || '（未填品名）')], marked = new Array(chars.length).fill(false), elsewhere = [];
  for (const hit of alert.hits) {
    for (const found of [hit, ...(hit.also || [])]) {
      if (found.field === 'item.name' && found.span) marked.fill(true, found.span[0], found.span[1]);
      else if (found.field && found.text && found.field !== 'item.name') elsewhere.push([FIELDS[found.field] || found.field, found.text]);
    }
  }
  const longest = elsewhere.filter(([field, text], at) => !elsewhere.some(([other, more], place) =>
    other === field && more.includes(text) && (more.length > text.length || place < at)));
  element.replaceChildren();
  for (let at = 0; at < chars.length;) {
    let end = at + 1;
    while (end < chars.length && marked[end] === marked[at]) end++;
    const text = chars.slice(at, end).join('');
    element.append(marked[at] ? el('mark', text) : text);
    at = end;
  }
  for (const [field, text] of longest.slice(0, 3)) element.append(' ', el('span', field, 'en'), ' ', el('mark', text));
}

// ---- the case panel -------------------------------------------------------------------------------------------------
async function openCase(id, from) {
  if (!id) return;
  if (from) panelFrom = from;
  const first = panelCase !== id;
  panelCase = id;
  for (const card of document.querySelectorAll('.card')) card.classList.toggle('open', card.dataset.case === id);
  $('panel').hidden = false;
  if (first) {
    $('panel-body').replaceChildren(both(el('p', '', 'empty'), ['正在载入…', 'Loading…']));
    $('panel').focus();
  }
  try {
    const found = await get('/api/v1/cases/' + encodeURIComponent(id));
    if (panelCase === id) showCase(found);
  } catch (error) {
    if (panelCase === id) $('panel-body').replaceChildren(both(el('p', '', 'empty'), ['案件读取失败：' + error.message, 'could not be read']));
  }
}
function showCase({ case: kase, alerts: about, timeline }) {
  const body = $('panel-body'), state = both(el('span', '', 'state'), words(STATES, kase.state));
  const head = el('p');
  head.append(state, ' · ', both(el('span'), kase.color === 'red' ? ['红色', 'red'] : ['黄色', 'yellow']));
  head.append(' · ', both(el('span'), words(WHO, kase.lead_department)));
  if (unacknowledged(kase) || ['lead', 'verifying'].includes(kase.state)) head.append(' · ', due(kase.due_at));
  body.replaceChildren(both(el('h2'), [`案件 ${kase.case_id}`, 'case']), head,
    section(['任务', 'tasks'], (kase.tasks || []).map(task => {
      const item = el('li');
      item.append(both(el('span'), words(TASKS, task.kind)), ` → ${task.to.carrier || words(WHO, task.to.department)[0]} · `, both(el('span'), words(TASK_STATES, task.state)));
      if (['issued', 'acknowledged'].includes(task.state)) item.append(' · ', due(task.due_at));
      return item;
    })),
    section(['预警', 'alerts'], (about || []).map(alert => {
      const item = el('li', '', alert.color), name = el('div');
      goods(name, alert);
      item.append(name, `${alert.carrier} ${alert.waybill_no} · ${alert.score}`);
      return item;
    })),
    section(['经过', 'timeline'], (timeline || []).map(entry => {
      const item = el('li'), time = el('time');
      setTime(time, entry.at);
      item.append(time, ' ', both(el('span'), words(WHO, entry.actor)), ` · ${entry.action_zh || entry.action}`);
      return item;
    })));
  tick();
}
const TASK_STATES = { issued: ['已下达', 'issued'], acknowledged: ['已确认', 'acknowledged'], done: ['已完成', 'done'], declined: ['已退回', 'declined'] };
function section(title, items) {
  const box = el('section'), list = el('ul');
  list.append(...(items.length ? items : [both(el('li'), ['无', 'none'])]));
  box.append(both(el('h3'), title), list);
  return box;
}
function due(iso) {
  const span = el('span', '', 'due');
  span.dataset.due = iso;
  span.title = iso;
  return span;
}
function closePanel() {
  panelCase = null;
  $('panel').hidden = true;
  for (const card of document.querySelectorAll('.card.open')) card.classList.remove('open');
  if (panelFrom && panelFrom.isConnected) panelFrom.focus();
}

// ---- clocks, every second -------------------------------------------------------------------------------------------
function countDown(element, iso, [zh, en]) {
  const left = Date.parse(iso) - Date.now(), late = left < 0;
  element.classList.toggle('late', late);
  element.textContent = late ? `超时 ${clock(left)}` : `${zh} ${clock(left)}`;
  element.title = `${en} ${iso}`;
  return late;
}
function tick() {
  const now = new Date();
  setTime($('clock'), now.toISOString());
  let late = 0;
  for (const found of redCases.values()) if (Date.parse(found.due_at) < now) late++;
  for (const card of document.querySelectorAll('.card.red')) {
    const found = redCases.get(card.dataset.case), ack = card.querySelector('.ack');
    if (found) countDown(ack, found.due_at, ['待确认', 'acknowledge by']);
    else ack.textContent = '';
  }
  for (const element of document.querySelectorAll('.due')) countDown(element, element.dataset.due, ['剩', 'due']);
  $('overdue').textContent = late ? `超时 ${late} overdue` : '';
  if (ruleSet) both($('rules-age'), age((now - Date.parse(ruleSet.loaded_at)) / 1000));
  showLive();
}

// ---- counts and the live state --------------------------------------------------------------------------------------
async function get(path) {
  const response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(8000) });
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  throw new Error(problem.title_zh || `HTTP ${response.status}`);
}
async function poll() {
  try {
    const stats = await get('/api/v1/stats');
    heardAt = Date.now();
    showStats(stats);
    if (!loaded) await loadAlerts();
  } catch { /* the banner says so, and the next poll tries again */ }
  setTimeout(poll, 2000);
}
function showStats(stats) {
  $('screened').textContent = number(stats.screened);
  $('refused').textContent = stats.refused ? `拒收 ${number(stats.refused)} refused` : '';
  $('rate').textContent = number(Math.round(stats.per_second));
  $('red-count').textContent = number(stats.red);
  $('yellow-count').textContent = number(stats.yellow);
  $('open-cases').textContent = number(stats.open_cases);
  $('lag').textContent = stats.lag ? `积压 ${number(stats.lag)} lag` : '';
  rates.push(stats.per_second);
  if (rates.length > SPARK_POINTS) rates.shift();
  const top = Math.max(1, ...rates);
  $('spark').firstElementChild.setAttribute('points',
    rates.map((rate, at) => `${at * 120 / (SPARK_POINTS - 1)},${31 - 30 * rate / top}`).join(' '));
  ruleSet = stats.rule_set;
  $('digest').textContent = ruleSet.digest.slice(0, 12);
  $('digest').title = `${ruleSet.digest} · ${ruleSet.rules} 条规则 rules · ${ruleSet.loaded_at}`;
  $('rules').classList.toggle('stale', Boolean(ruleSet.stale));
  document.title = `红 ${number(stats.red)} · 黄 ${number(stats.yellow)} · 警邮`;
}
// What was there before is dropped: after a reconnect the server may be another one, with other data.
async function loadAlerts() {
  const started = Date.now();
  const [red, yellow] = await Promise.all(['red', 'yellow'].map(color => get(`/api/v1/alerts?color=${color}&limit=${YELLOW_SHOWN}`)));
  loaded = true;
  for (const [id, alert] of alerts) if (alert.takenAt < started) alerts.delete(id);
  for (const alert of [...red.alerts, ...yellow.alerts]) take(alert, false);
  drawSoon();
}
let redCasesTimer = 0;
function redCasesIn(ms) {
  clearTimeout(redCasesTimer);
  redCasesTimer = setTimeout(pollRedCases, ms);
}
async function pollRedCases() {
  redCasesIn(5000);
  try {
    const page = await get('/api/v1/cases?color=red&open=true&limit=200');
    redCases.clear();
    for (const found of page.cases) if (unacknowledged(found)) redCases.set(found.case_id, found);
    if (panelCase) await openCase(panelCase);
  } catch { /* as above */ }
}
// A red case is acknowledged once none of its tasks is merely issued.
const unacknowledged = found => found.color === 'red' && found.tasks.some(task => task.state === 'issued');
function showLive() {
  const heard = Date.now() - heardAt < LIVE_WITHIN_MS, live = heard && streamOpen;
  const state = live ? 'live' : heardAt ? 'down' : 'connecting';
  if ($('live').dataset.state !== state) {
    $('live').dataset.state = state;
    both($('live-text'), { live: ['实时', 'live'], down: ['非实时', 'not live'], connecting: ['正在连接', 'connecting'] }[state]);
  }
  $('banner').hidden = live || performance.now() < 4000;
  if (!live) {
    const text = `画面不是实时的：与服务器断开，正在重连。 NOT LIVE — reconnecting${heardAt ? '；最后更新 last update ' + local(heardAt) : ''}`;
    if ($('banner').textContent !== text) $('banner').textContent = text;
  }
}
// The browser reconnects by itself after a broken connection; after a refusal it doesn't, so that is done here.
function connect() {
  stream = new EventSource('/api/v1/alerts/stream' + (lastId === null ? '' : '?after=' + lastId));
  stream.addEventListener('open', () => {
    if (loaded && !streamOpen) loadAlerts().catch(() => { loaded = false; });
    streamOpen = true;
    retryMs = 1000;
    showLive();
  });
  stream.addEventListener('alert', event => { lastId = event.lastEventId; take(JSON.parse(event.data), true); });
  stream.addEventListener('reset', event => { lastId = JSON.parse(event.data).last; });
  stream.addEventListener('error', () => {
    streamOpen = false;
    showLive();
    if (stream.readyState === EventSource.CLOSED) {
      setTimeout(connect, retryMs);
      retryMs = Math.min(retryMs * 2, 15000);
    }
  });
}

$('more-red').addEventListener('click', () => { showAllRed = !showAllRed; draw(); });
$('panel-close').addEventListener('click', closePanel);
document.addEventListener('keydown', event => { if (event.key === 'Escape' && panelCase) closePanel(); });
connect();
poll();
pollRedCases();
tick();
setInterval(tick, 1000);
