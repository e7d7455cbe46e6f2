/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder - the rotation's objects as files: DIR/ca.crt, DIR/ca.key, DIR/<secret>/{ca.crt,tls.crt,tls.key}.
 *
 * Keys have mode 0600. Each file is replaced whole, in an order in which every prefix of the writes is a state that the
 * plan understands. While a CA is being replaced there are also DIR/ca-next.key and DIR/ca-settled.
 */
#pragma once

#include "certs/rotation.h"

/* A folder held alone: a second certgen waits until this one is closed. */
struct folder;

/* Makes the folder when it is not there, unless read_only. */
struct folder *folder_open(const char *path, bool read_only, struct err *e);
void folder_free(struct folder *f);
AUTO_DEFINE(folder)

/* Fills all objects from what is there; files that are missing are absent fields. */
bool folder_read(struct folder *f, struct rotation *r, struct err *e);

/* A rotation_write_fn; arg is the folder. Files that hold the same already are left alone. */
bool folder_write(struct rotation_object *o, void *arg, struct err *e);
