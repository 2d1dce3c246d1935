/* SPDX-License-Identifier: MIT */
/*
 * limits.h - ends the chain of gcc's own limits.h, which asks for a second one.
 */
