/* SPDX-License-Identifier: MIT */
/*
 * assert.h - static_assert, and nothing else: freestanding code has no assert.
 */
#ifndef BASE_INCLUDE_ASSERT_H
#define BASE_INCLUDE_ASSERT_H

#define static_assert _Static_assert

#endif
