/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page_style - how the page looks: one style sheet in the page itself, for phones and screens, light and dark.
 */
#pragma once

#define PAGE_STYLE                                                                                                     \
        ":root{color-scheme:light dark;--ink:#1c2430;--soft:#5a6675;--paper:#fff;--card:#f5f7f9;--line:#d9dfe6;"       \
        "--good:#12703c;--warn:#8a5a00;--bad:#b3261e;--link:#0b57d0}"                                                  \
        "@media(prefers-color-scheme:dark){:root{--ink:#e3e8ee;--soft:#9aa6b4;--paper:#12161b;--card:#1b2128;"         \
        "--line:#313a45;--good:#6fcf97;--warn:#f2c14e;--bad:#ff8a80;--link:#8ab4f8}}"                                  \
        "*{box-sizing:border-box}"                                                                                     \
        "body{margin:0 auto;max-width:70rem;padding:1rem;background:var(--paper);color:var(--ink);"                    \
        "font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}"                                                   \
        "h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}"                                        \
        "a{color:var(--link)}.soft{color:var(--soft)}.good{color:var(--good)}.warn{color:var(--warn)}"                 \
        ".bad{color:var(--bad)}code,.code{font:.9em ui-monospace,monospace}"                                           \
        "header{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:baseline}"                                      \
        "form{display:flex;gap:.5rem;margin:1rem 0}"                                                                   \
        "input,button{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);"                 \
        "border-radius:.4rem;padding:.5rem .75rem}input{flex:1;min-width:0}"                                           \
        "table{border-collapse:collapse;width:100%}"                                                                   \
        "th,td{text-align:left;vertical-align:top;padding:.35rem .75rem .35rem 0;"                                     \
        "border-bottom:1px solid var(--line)}th{font-weight:600;color:var(--soft);font-size:.85rem}"                   \
        "details,.card{background:var(--card);border:1px solid var(--line);border-radius:.4rem;"                       \
        "margin:.4rem 0;padding:.5rem .75rem}summary{cursor:pointer}"                                                  \
        "ul{margin:.3rem 0;padding-left:1.2rem}nav{display:flex;gap:1rem;margin:1rem 0}"                               \
        "@media(max-width:40rem){table,tbody,tr,td{display:block}thead{display:none}"                                  \
        "tr{border-bottom:1px solid var(--line);padding:.4rem 0}td{border:0;padding:.1rem 0}"                          \
        "td[data-name]::before{content:attr(data-name) \": \";color:var(--soft)}}"
