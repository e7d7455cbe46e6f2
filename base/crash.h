/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crash - says what was being judged when the process dies of its own bug.
 *
 * Each thread keeps one line about its present work. When a fatal signal (assert's SIGABRT among them) hits that
 * thread, the line goes to stderr, and the signal takes its course: the pod restarts, and the line names the object for
 * --ignore-object. A line is copied, cut at CRASH_LINE_MAX, and costs no allocation.
 */
#pragma once

enum { CRASH_LINE_MAX = 640 };

/* Installs the handlers; call once in main(), before threads. Handlers that a sanitizer has installed stay. */
void crash_install(void);

/* What the calling thread works on: verb and object, as in "judging" "CREATE IngressRoute team-a/shop". */
void crash_working_on(const char *verb, const char *what);
/* The same with the object in parts; namespace may be "". */
void crash_working_on_object(const char *verb, const char *kind, const char *namespace, const char *name);
/* Done: a crash from here on names nothing. */
void crash_idle(void);
