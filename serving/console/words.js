/** Every word of the page, in both of its languages. `{name}` is filled in. */
const words = {
  en: {
    model: 'Model',
    drawTitle: 'Draw a digit',
    drawHint: '0 to 9, with mouse, pen or finger',
    clear: 'Clear',
    drawOne: 'Draw one for me',
    seen: 'What the model sees',
    answerTitle: 'Answer',
    sure: 'sure',
    latency: 'there and back',
    verdictTitle: 'Is it right?',
    right: 'Yes',
    orItIs: 'No, it is',
    itIs: 'No, it is {label}',
    requestTitle: 'Request',
    send: 'Send',
    orTruth: 'No, the truth is (label, or values as [1, 2])',
    tell: 'Tell',
    chartsTitle: 'The last five minutes',
    throughput: 'Throughput',
    serverLatency: 'Latency in the server',
    fiveMinutesAgo: '5 min ago',
    now: 'now',
    loop: 'What you tell here goes back to training:',
    thanks: 'Kept. You have told {count} so far.',
    facts: 'version {version} · {digest}',
    accuracy: '{percent} right on {samples} held-out samples',
    requestsPerSecond: '{value} requests/s',
    milliseconds: '{value} ms',
    throughputSummary: 'Throughput of the last five minutes: {now} requests per second now, {most} at most',
    latencySummary:
      'Latency of the last five minutes: median {p50} ms, 99th percentile {p99} ms, newest values',
    gone: 'The server does not answer. This page goes on asking.',
    noModels: 'No model is served yet.',
    notJson: 'The request is not JSON: {message}',
    noTruth: 'Write the true label, or true values as [1, 2].',
  },
  zh: {
    model: '模型',
    drawTitle: '写一个数字',
    drawHint: '用鼠标、触控笔或手指写 0 到 9',
    clear: '清除',
    drawOne: '替我写一个',
    seen: '模型看到的',
    answerTitle: '预测',
    sure: '把握',
    latency: '往返',
    verdictTitle: '预测对吗？',
    right: '对',
    orItIs: '不对，应为',
    itIs: '不对，应为 {label}',
    requestTitle: '请求',
    send: '发送',
    orTruth: '不对，应为（标签，或数值如 [1, 2]）',
    tell: '提交',
    chartsTitle: '最近五分钟',
    throughput: '吞吐量',
    serverLatency: '服务端延迟',
    fiveMinutesAgo: '5 分钟前',
    now: '现在',
    loop: '这里的反馈会回到训练：',
    thanks: '已保存。到目前为止共 {count} 条反馈。',
    facts: '版本 {version} · {digest}',
    accuracy: '在 {samples} 个留出样本上准确率 {percent}',
    requestsPerSecond: '{value} 次/秒',
    milliseconds: '{value} 毫秒',
    throughputSummary: '最近五分钟的吞吐量：现在每秒 {now} 次，最高 {most} 次',
    latencySummary: '最近五分钟的延迟：最新中位数 {p50} 毫秒，99 分位 {p99} 毫秒',
    gone: '服务没有响应，本页会继续重试。',
    noModels: '还没有提供服务的模型。',
    notJson: '请求不是 JSON：{message}',
    noTruth: '请填写正确的标签，或数值如 [1, 2]。',
  },
};

const names = { en: 'English', zh: '中文' };
const storageKey = 'modelmile.language';

let language = localStorage.getItem(storageKey) ?? (navigator.language.startsWith('zh') ? 'zh' : 'en');
if (!Object.hasOwn(words, language)) language = 'en';

/** A sentence in the language of the page. */
export function say(key, values = {}) {
  return words[language][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Writes the page's fixed words; the button offers the other language. */
export function translatePage(button) {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll('[data-word]'))
    element.textContent = say(element.dataset.word);
  const other = language === 'en' ? 'zh' : 'en';
  button.lang = other;
  button.textContent = names[other];
}

export function switchLanguage() {
  language = language === 'en' ? 'zh' : 'en';
  localStorage.setItem(storageKey, language);
}

/** At most `digits` places after the point, the same in every locale. */
export const figure = (value, digits = 1) => String(Number(value.toFixed(digits)));

/** 0.9735 as `97.4 %`, or with two digits `97.35 %`. */
export const percent = (share, digits = 1) => `${figure(100 * share, digits)} %`;
