/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem - allocation that cannot fail, and cleanup of locals.
 *
 * Running out of memory aborts: no caller checks for NULL. AUTO(buf) *b frees b by buf_free() when the scope ends;
 * mem_take(&b) hands it out instead. mem_wipe() is for key material: the compiler cannot remove it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A local owned by its scope: freed by <type>_free(), which must accept NULL. Needs AUTO_DEFINE(type) after it. */
#define AUTO(type) __attribute__((cleanup(type##_auto))) struct type
#define AUTO_DEFINE(type)                                                                                              \
        static inline void type##_auto(struct type **p)                                                                \
        {                                                                                                              \
                type##_free(*p);                                                                                       \
        }

/* A char * owned by its scope. */
#define AUTO_STR __attribute__((cleanup(mem_auto_str))) char

/* Moves the pointer out of *pp, leaving NULL behind. */
#define mem_take(pp)                                                                                                   \
        __extension__({                                                                                                \
                __typeof__(*(pp)) mem_taken_ = *(pp);                                                                  \
                *(pp) = NULL;                                                                                          \
                mem_taken_;                                                                                            \
        })

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Fresh memory, zeroed; never NULL. Free with mem_free(). */
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
/* Grows or shrinks p (may be NULL) to count elements of size; the product is checked for overflow. */
void *mem_resize(void *p, size_t count, size_t size) __attribute__((returns_nonnull));
void mem_free(void *p);

/* Copies of a string, of n bytes with a NUL added, and of a printf() result. NULL in, NULL out for mem_strdup(). */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n) __attribute__((returns_nonnull));
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

/* Overwrites n bytes at p with zeros, also when p is about to be freed. p may be NULL when n is 0. */
void mem_wipe(void *p, size_t n);

/* Strings that may be NULL: NULL equals NULL only. */
bool str_equal(const char *a, const char *b);
bool str_has_prefix(const char *s, const char *prefix);
bool str_has_suffix(const char *s, const char *suffix);
/* The length of s cut at max bytes, not inside a UTF-8 sequence. */
size_t str_cut(const char *s, size_t max);
/* strcmp() order with NULL first. */
int str_compare(const char *a, const char *b);

static inline void mem_auto_str(char **p)
{
        mem_free(*p);
}
