/* Characters that a person does not see, or that move what he sees: they are shown as what they
 * are.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_UNSEEN_H
#define ROUSE_PURE_UNSEEN_H

#include <stdbool.h>
#include <stdint.h>

/* Controls (tab and line end included), format characters, marks of direction, variation selectors,
 * tags, odd spaces, what is for private use or no character (Unicode 15, categories Cc Cf Zl Zp Co
 * and the blank letters). */
bool char_is_unseen(uint32_t code);

#endif
