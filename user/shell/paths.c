/* SPDX-License-Identifier: MIT */
/*
 * paths.c - what is wrong with a path, in words; and what is not overwritten or
 * destroyed by a slip of the hand.  Interface in shell.h.
 */
#include "user/shell/shell.h"

#include <string.h>
#include "user/lib/directory.h"
#include "user/lib/file.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"
#include "base/text.h"
#include "user/shell/line.h"

#define PATHS_SHOWN 24 /* bytes of a name that is too long */

/* Where the run of slashes, or of anything else, that begins here ends. */
static size_t paths_run(const char *path, size_t at, bool slashes)
{
	while (path[at] != '\0' && (path[at] == '/') == slashes)
		at++;
	return at;
}

/* A part of the path that is not the last: a directory is to be there.  True: what is
 * there instead was said. */
static bool paths_step_wrong(const char *command, const char *path, size_t length)
{
	static char prefix[LINE_BYTES + 1];
	enum object_type type;
	enum status status;
	uint32_t slot;

	if (length >= sizeof(prefix))
		return false;
	memcpy(prefix, path, length);
	prefix[length] = '\0';
	status = path_lookup(prefix, &slot, &type);
	if (status == STATUS_OK)
		slot_give(slot);
	if (status == STATUS_NOT_FOUND)
		shell_complain(command, "%s: no such directory: %s", path, prefix);
	else if (status == STATUS_DEAD)
		shell_complain(command, "%s: %s names an object that no longer exists", path,
			       prefix);
	else if (status == STATUS_OK && type != OBJECT_DIRECTORY)
		shell_complain(command, "%s: %s is no directory", path, prefix);
	else
		return false;
	return true;
}

/* True: a mistake in the path was found, and said. */
static bool paths_wrong(const char *command, const char *path)
{
	size_t at = 0, begin, names = 0;

	if (path[0] == '\0') {
		shell_complain(command, "an empty path names nothing");
		return true;
	}
	while (path[at] != '\0') {
		begin = paths_run(path, at, true);
		at = paths_run(path, begin, false);
		if (at == begin || (at == begin + 1 && path[begin] == '.'))
			continue;
		names++;
		if (at - begin > TREE_KEY_MAX) {
			shell_complain(command,
				       "%.*s...: a name of %lu bytes; a name has at most %u",
				       PATHS_SHOWN, path + begin, at - begin, TREE_KEY_MAX);
			return true;
		}
		if (path[paths_run(path, at, true)] != '\0' && paths_step_wrong(command, path, at))
			return true;
	}
	if (names == 0)
		shell_complain(command, "%s: this is the root directory", path);
	return names == 0;
}

bool shell_path_error(const char *command, const char *path, enum status status)
{
	bool name = status == STATUS_INVALID || status == STATUS_NOT_FOUND ||
		    status == STATUS_WRONG_TYPE || status == STATUS_DEAD;
	enum object_type type;
	uint32_t slot;

	if (name && paths_wrong(command, path))
		return false;
	if (status == STATUS_WRONG_TYPE && path_lookup(path, &slot, &type) == STATUS_OK) {
		slot_give(slot);
		return shell_complain(command, "%s: is of type %s, which does not serve here", path,
				      objects_type_name(type));
	}
	return shell_error(command, path, status);
}

/* ---- slips of the hand ------------------------------------------------------------ */

/* Does it lead to SYSTEM_SHELL, if there is that?  Told by the object: it can have other
 * names, and its bytes may be damaged. */
static enum status paths_leads_to_shell(const struct table_info *info, bool *leads)
{
	char path[sizeof(SYSTEM_SHELL)] = "";

	*leads = false;
	while (system_shell_next(path)) {
		struct table_info found;
		uint32_t slot;
		enum status status = path_lookup(path, &slot, NULL);

		if (status != STATUS_OK)
			return status;
		status = table_info(OWN_TABLE, slot, &found);
		slot_give(slot);
		if (status != STATUS_OK)
			return status;
		*leads |= found.alive && info->alive && found.object == info->object;
	}
	return STATUS_OK;
}

static enum status paths_is_program(uint32_t slot, bool *program)
{
	static const char magic[4] = {0x7f, 'E', 'L', 'F'};
	struct file file;
	enum status status = file_attach(&file, SEGMENT(slot), RIGHT_READ);

	*program = false;
	if (status != STATUS_OK)
		return status;
	*program =
		file.size >= sizeof(magic) && memcmp(file_data(&file), magic, sizeof(magic)) == 0;
	file.segment.slot = 0; /* stays the caller's */
	file_close(&file);
	return STATUS_OK;
}

bool shell_may_lose(const char *command, const char *path, uint32_t slot, const char *does)
{
	struct table_info info;
	bool leads = false;
	enum status status;

	if (shell_forced())
		return true;
	status = table_info(OWN_TABLE, slot, &info);
	if (status == STATUS_OK)
		status = paths_leads_to_shell(&info, &leads);
	/* What cannot be looked at now may be it. */
	if (status == STATUS_IO)
		return shell_error(command, path, status);
	return !leads ||
	       shell_complain(command,
			      "%s stays as it is: of " SYSTEM_SHELL " the kernel's console makes "
			      "a new shell when this one is lost, and the shell its guard; "
			      "`force %s ...` %s it",
			      path, command, does);
}

bool shell_may_end(const char *command, const char *path, uint32_t slot, const char *does)
{
	struct table_info info;
	enum status status;

	if (!shell_may_lose(command, path, slot, does))
		return false;
	if (shell_forced())
		return true;
	status = table_info(OWN_TABLE, slot, &info);
	if (status == STATUS_IO)
		return shell_error(command, path, status);
	if (status != STATUS_OK || !info.alive || info.type == OBJECT_SEGMENT)
		return true;
	if (info.rights & RIGHT_DESTROY)
		return shell_complain(command,
				      "%s is a %s that programs may stand on, and stays as it "
				      "is; `force %s ...` %s it",
				      path, objects_type_name(info.type), command, does);
	return shell_complain(command,
			      "%s is a %s that this name does not give the right to destroy, and "
			      "stays as it is; `force %s ...` takes the name alone away",
			      path, objects_type_name(info.type), command);
}

bool shell_may_replace(const char *command, const char *path, uint32_t slot)
{
	bool program = false;
	enum status status;

	if (!shell_may_end(command, path, slot, "replaces"))
		return false;
	if (shell_forced())
		return true;
	status = paths_is_program(slot, &program);
	/* What cannot be looked at now may be one. */
	if (status == STATUS_IO)
		return shell_error(command, path, status);
	return !program ||
	       shell_complain(command,
			      "%s is a program, and stays as it is; `force %s ...` replaces it",
			      path, command);
}
