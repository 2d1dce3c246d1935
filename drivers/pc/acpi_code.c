/* SPDX-License-Identifier: MIT */
/*
 * acpi_code.c - finds two things in byte code without running it.
 *
 * In a DSDT, Name (\_S5, Package () {a, b, ...}) is encoded as (section 20.2)
 *
 *	08  [5c]  5f 53 35 5f  12  length  count  number number ...
 *	NameOp \  _  S  5  _   PackageOp
 *
 * where length takes 1 to 4 bytes, told by the top two bits of the first, and
 * a number is 00, 01, or a prefix (0a, 0b, 0c) and 1, 2 or 4 bytes.
 *
 * Name (VGIA, 0x12345678) in the SSDT of QEMU's device vmgenid is
 *
 *	08       56 47 49 41   0c  78 56 34 12
 *	NameOp   V  G  I  A    DWordPrefix
 */
#include "drivers/pc/acpi.h"
#include <string.h>

#define NAME_OP	   0x08u
#define ROOT_CHAR  0x5cu
#define PACKAGE_OP 0x12u
#define DWORD	   0x0cu

static const uint8_t name[4] = {'_', 'S', '5', '_'};

/* The number at *at, whose bytes must end before `end`. */
static bool s5_number(const uint8_t *code, uint32_t end, uint32_t *at, uint8_t *value)
{
	uint32_t prefix, skip;

	if (*at >= end)
		return false;
	prefix = code[(*at)++];
	if (prefix <= 1) {
		*value = (uint8_t)prefix;
		return true;
	}
	skip = prefix == 0x0a ? 1 : prefix == 0x0b ? 2 : prefix == 0x0c ? 4 : 0;
	if (skip == 0 || skip > end - *at || code[*at] > 7)
		return false;
	*value = code[*at]; /* little-endian, and a sleep type has 3 bits */
	*at += skip;
	return true;
}

/* The package that follows the name at `at`. */
static bool s5_package(const uint8_t *code, uint32_t bytes, uint32_t at, uint8_t *a, uint8_t *b)
{
	uint32_t more, length, start, end;

	if (bytes - at < 4 || code[at] != PACKAGE_OP)
		return false;
	start = at + 1;
	more = code[start] >> 6;
	if (more + 1 >= bytes - start)
		return false;
	length = more == 0 ? code[start] & 0x3fu : code[start] & 0x0fu;
	for (uint32_t i = 0; i < more; i++)
		length |= (uint32_t)code[start + 1 + i] << (4 + 8 * i);
	if (length > bytes - start || length < more + 2)
		return false;
	end = start + length;
	at = start + 1 + more;
	if (code[at] < 2) /* elements */
		return false;
	at++;
	return s5_number(code, end, &at, a) && s5_number(code, end, &at, b);
}

bool acpi_s5_decode(const uint8_t *code, uint32_t bytes, uint8_t *type_a, uint8_t *type_b)
{
	for (uint32_t at = 1; bytes >= 8 && at <= bytes - 8; at++) {
		if (code[at] != name[0] || code[at + 1] != name[1] || code[at + 2] != name[2] ||
		    code[at + 3] != name[3])
			continue;
		bool named = code[at - 1] == NAME_OP ||
			     (at >= 2 && code[at - 1] == ROOT_CHAR && code[at - 2] == NAME_OP);
		if (named && s5_package(code, bytes, at + 4, type_a, type_b))
			return true;
	}
	return false;
}

uint32_t acpi_generation_decode(const uint8_t *code, uint32_t bytes)
{
	static const uint8_t named[] = {NAME_OP, 'V', 'G', 'I', 'A', DWORD};

	for (uint32_t at = 0; bytes >= 10 && at <= bytes - 10; at++)
		if (memcmp(code + at, named, sizeof named) == 0)
			return code[at + 6] | (uint32_t)code[at + 7] << 8 |
			       (uint32_t)code[at + 8] << 16 | (uint32_t)code[at + 9] << 24;
	return 0;
}
