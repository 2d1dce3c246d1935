/* SPDX-License-Identifier: MIT */
/*
 * lua.c - runs a script by Debian's Lua, linked with another C library than that was made for.
 *
 * What the other one calls by names of its own is here: the checked forms of ordinary functions.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void __longjmp_chk(jmp_buf where, int value)
{
	longjmp(where, value);
}

void *__memcpy_chk(void *to, const void *from, size_t bytes, size_t room)
{
	if (bytes > room)
		__builtin_trap();
	return memcpy(to, from, bytes);
}

int __fprintf_chk(FILE *file, int flag, const char *format, ...)
{
	va_list list;
	int bytes;

	(void)flag;
	va_start(list, format);
	bytes = vfprintf(file, format, list);
	va_end(list);
	return bytes;
}

int __snprintf_chk(char *to, size_t bytes, int flag, size_t room, const char *format, ...)
{
	va_list list;
	int all;

	(void)flag;
	if (bytes > room)
		__builtin_trap();
	va_start(list, format);
	all = vsnprintf(to, bytes, format, list);
	va_end(list);
	return all;
}

int main(int argc, char **argv)
{
	lua_State *lua = luaL_newstate();

	setvbuf(stdout, NULL, _IOLBF, 0);
	luaL_openlibs(lua);
	if (argc != 2 || luaL_dofile(lua, argv[1]) != LUA_OK) {
		fprintf(stderr, "%s\n", argc == 2 ? lua_tostring(lua, -1) : "lua SCRIPT");
		return 1;
	}
	lua_close(lua);
	return 0;
}
