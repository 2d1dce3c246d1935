#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Seeded faults in objects/: each must make a unit test fail.

Each fault replaces the first occurrence of a text in one file of objects/. It is
compiled below build/mutants-objects/, with the files beside it unchanged, and the
tests over the fake store run until one fails. About five minutes in all.

    tests/unit/objects/mutants.py [NUMBER ...]

Ends with a line "N killed, M survived"; exits 1 if one survived or does not apply.
"""

import pathlib
import resource
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = ROOT / "build" / "mutants-objects"
HERE = pathlib.Path("tests/unit/objects")
LIBRARY = "libtested.so"  # all but the tests: what is linked anew for each fault
SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
FLAGS = ["-std=gnu11", "-O1", *SANITIZED, "-fPIC", "-I."]
SECONDS = 30  # of processor time, of one test: an endless loop counts as noticed

# Cheap tests first; the million entries of the last one are left out.
TESTS = ["bank", "bank_end", "object", "content", "places", "transient", "machine", "held", "range", "weight", "btree_page", "damage", "btree"]

# File, text, replacement.
FAULTS = [
    ('capability.c', 'bank->flags |= OBJECT_RECEIVES;',
     ';'),
    ('capability.c', 'status = record_valid(record) ? bank_bits(space, record, bits) : STATUS_CORRUPT;',
     'status = bank_alive(space, record);'),
    ('create.c', 'for (uint32_t i = creation->count; i-- > 0;)\n\t\tbank_list_add',
     'for (uint32_t i = 0; i < creation->count; i++)\n\t\tbank_list_add'),
    ('destroy.c', 'return left_pass(space, object, &record);',
     'return status;'),
    ('machine.c', '} else if (space_lost(space, status)) {',
     '} else if (status == STATUS_CORRUPT) {'),
    ('destroy.c', 'if (record->type == OBJECT_BANK)\n\t\t\tbanks_forget(space);',
     ''),
    ('bank.c', 'if (space->living_generation != generation) {',
     'if (0) {'),
    ('bank.c', 'if (status != STATUS_OK || space->view ||',
     'if (space->view ||'),
    ('bank.c', 'space->living[entry].version == version && !space->view)',
     'space->living[entry].version == version)'),
    ('bank.c', '*bits = space->living[entry].bits;',
     ''),
    ('capability.c', 'if (object.n < OBJECT_FIRST_FREE)\n\t\treturn STATUS_INVALID;',
     ''),
    ('capability.c', 'if (capability->revoker)\n\t\tstatus = bank_below',
     'if (0)\n\t\tstatus = bank_below'),
    ('capability.c', '*bits |= bank_bit(capability->revoker_version);',
     ''),
    ('capability.c', 'status = object_resolve(space, bank, OBJECT_BANK, RIGHT_CREATE, &record);',
     'status = object_resolve(space, bank, OBJECT_BANK, 0, &record);'),
    ('bank.c', 'bank.n == top.n ? STATUS_EXISTS',
     '0 ? STATUS_EXISTS'),
    ('bank.c', 'bank_unlist(space, object, record);\n\tbank_credit',
     'bank_credit'),
    ('bank.c', 'record->bank_version = bank.n == OBJECT_ROOT_BANK ? 0 : to.version;',
     ''),
    ('bank.c', 'bank_credit(space, (object_t){found.bank}, charge, addresses, 1);',
     ''),
    ('bank.c', 'bank_charge(space, bank, charge, addresses, 1);',
     'bank_charge(space, bank, charge, 0, 1);'),
    ('bank.c', 'if (status == STATUS_OK && found->version != version)\n\t\t\tstatus = STATUS_DEAD;',
     ''),
    ('bank.c', 'version = found->bank_version;',
     'version = 0;'),
    ('bank.c', 'i < BANK_DEPTH_MAX ? record_read',
     'i < 1000000000 ? record_read'),
    ('bank.c', 'return space->ends_bank ? STATUS_OK :',
     'return'),
    ('bank.c', 'space->kept_pages = kept;',
     ''),
    ('bank.c', 'addresses > account->address_limit - account->addresses',
     'addresses > account->address_limit'),
    ('bank.c', 'return account->depth || account->address_limit;',
     'return account->depth != 0;'),
    ('bank.c', 'return account->depth || account->address_limit;',
     'return account->address_limit != 0;'),
    ('bank.c', 'return objects && !record->allowance.objects && record->flags & OBJECT_WAITS;',
     'return false;'),
    ('bank.c', 'return objects && !record->allowance.objects && record->flags & OBJECT_WAITS;',
     'return objects && record->flags & OBJECT_WAITS;'),
    ('bank.c', 'own->next = next && !next->previous ? *head : 0;',
     'own->next = *head;'),
    ('bank.c', 'if (beside && beside->previous == object.n)',
     'if (beside)'),
    ('bank.c', 'if (beside && beside->next == object.n)',
     'if (beside)'),
    ('bank.c', 'if (head && *head == object.n)',
     'if (head)'),
    ('bank.c', 'if (!found->version || found->bank != bank.n ||',
     'if (!found->version ||'),
    ('bank.c', 'if (!found->version || found->bank != bank.n ||',
     'if (found->bank != bank.n ||'),
    ('bank.c', 'if (status == STATUS_OK && record->bank != parent.n)',
     'if (0)'),
    ('bank.c', 'account.depth + 1 >= BANK_DEPTH_MAX',
     'account.depth >= BANK_DEPTH_MAX'),
    ('bank.c', 'creation->addresses += creation->request->size_max;',
     ''),
    ('bank.c', 'return 1 + size;',
     'return size;'),
    ('bank.c', 'if (status == STATUS_OK && top.n != OBJECT_ROOT_BANK)',
     'if (status == STATUS_OK && object.n != OBJECT_ROOT_BANK)'),
    ('weight.c', 'account->weight_given - 1 : 0', 'account->weight_given : 0'),
    ('weight.c', 'return own < most ? own : most;', 'return own;'),
    ('weight.c', '? SHARE_FIRST : SHARE_ALL;', '? SHARE_ALL : SHARE_ALL;'),
    ('weight.c', '? SHARE_FIRST : SHARE_ALL;', '? SHARE_FIRST : UINT32_MAX;'),
    ('weight.c', 'if (!weight_first(bank) && !account->weight)', 'if (0)'),
    ('weight.c', 'from->weight_given += weight;', ''),
    ('weight.c', 'weight < from->weight_given ? weight : from->weight_given;', 'weight;'),
    ('weight.c', 'if (own->weight_given && weight <= own->weight_given)', 'if (0)'),
    ('weight.c', 'if (own->weight_given && weight <= own->weight_given)',
     'if (weight < own->weight_given)'),
    ('weight.c', 'weight - own->weight > weight_left(above, from)',
     'weight > weight_left(above, from)'),
    ('weight.c', 'weight - own->weight > weight_left(above, from)', '0'),
    ('weight.c', 'from->weight_given += (uint32_t)weight;', ''),
    ('weight.c', '\tsystem->version = SYSTEM_VERSION;', ''),
    ('weight.c', '&& !account->weight ? SHARE_ALL', '&& 0 ? SHARE_ALL'),
    ('weight.c', '\tif (status != STATUS_WAIT)\n\t\tstatus = account_read',
     '\tstatus = account_read'),
    ('bank.c', 'weight_give_check(space, creation->bank, creation->request->weight)',
     'status'),
    ('destroy.c', 'weight_give_back(space, returned.above, returned.own->weight);', ';'),
    ('create.c', 'creation->addresses += creation->plan.range[i].pages;',
     ''),
    ('create.c', 'record->bank_version = creation->bank_version;',
     ''),
    ('create.c', 'if (creation->bank.n != OBJECT_ROOT_BANK)',
     'if (1)'),
    ('create.c', 'system->version = SYSTEM_VERSION;',
     ''),
    ('destroy.c', '(*type)->may_end && !space->ends_bank',
     '(*type)->may_end'),
    ('destroy.c', 'space->ends_bank = false;',
     ''),
    ('destroy.c', 'bank_unlist(space, ended->part[i].object, record);',
     ''),
    ('destroy.c', 'record->passed = 0;',
     ''),
    ('destroy.c', '*returned.own = (struct disk_account){.next = 0};',
     ';'),
    ('destroy.c', 'returned->addresses += own->address_limit;',
     ';'),
    ('destroy.c', 'record->allowance.objects && record->next_free)',
     'record->next_free)'),
    ('destroy.c', 'record->allowance.objects && record->next_free)',
     'record->allowance.objects)'),
    ('destroy.c', 'if (record->type == OBJECT_DIRECTORY && record->size)',
     'if (0)'),
    ('machine.c', 'status = machine_own_add(space, destruction, machine, TABLE_SLOT_BANK,',
     'if (0) status = machine_own_add(space, destruction, machine, TABLE_SLOT_BANK,'),
    ('machine.c', 'own.object >= OBJECT_FIRST_FREE',
     'own.version'),
    ('directory.c', 'creation.charge + charge_of_next(record->size))',
     'creation.charge)'),
    ('directory.c', 'return status == STATUS_OK ? STATUS_EXISTS : status;',
     'return status;'),
    ('machine.c', '&own, type, RIGHT_DESTROY)',
     '&own, type, 0)'),
    ('machine.c', 'machine->magic != MACHINE_MAGIC || machine->object != object.n)\n\t\treturn STATUS_CORRUPT',
     'machine->magic != MACHINE_MAGIC)\n\t\treturn STATUS_CORRUPT'),
    ('port.c', '(header->head + nth) %',
     'nth %'),
    ('table.c', '*next = at + 1;',
     ''),
    ('table.c', 'if (page.n != table_page(table, at).n)',
     'if (0)'),
    ('destroy.c', '->held && !(record->flags & OBJECT_TOLD)',
     '->held != 0'),
    ('btree_node.c', 'last && index == left->count',
     'index == left->count'),
    ('btree.c', 'status = btree_neighbours_prepare(space, &path);',
     'status = STATUS_OK;'),
    ('btree.c', 'spares = path.height + 1 + before;',
     'spares = splits;'),
    ('btree.c', 'before ? path.height : splits',
     'splits'),
    ('btree.c', 'before ? path.height : level',
     'level'),
    ('btree.c', 'if (before)\n\t\tspares',
     'if (before > 100)\n\t\tspares'),
    ('btree.c', 'status = btree_pool_prepare(space, path.height + 1 + before);',
     'status = system_prepare(space, &system);'),
    ('btree.c', 'need = TREE_INNER_ROOM;',
     'need = 20;'),
    ('btree.c', 'room += 2u + 2u + old.key_length',
     'room += 40u + 2u + old.key_length'),
    ('btree.c', 'step->index + (level > 0)',
     'step->index + 0'),
    ('btree.c', '<= 0)\n\t\treturn STATUS_CORRUPT',
     '< -1)\n\t\treturn STATUS_CORRUPT'),
    ('btree.c', 'level && level + 1 == path->height && node->count == 1',
     '0'),
    ('btree.c', 'spares = splits + (splits == path.height);',
     'spares = splits;'),
    ('btree_node.c', 'if (begins[i])\n\t\t\treturn false;',
     ''),
    ('btree_node.c', 'at != TREE_NODE_BYTES',
     '0'),
    ('btree_node.c', 'offset + entry_size(entry) > TREE_NODE_BYTES',
     '0'),
    ('btree_node.c', 'entry.value_length != sizeof(child)',
     '0'),
    ('btree_node.c', '(uint32_t)node->count * OFFSET_SIZE <= node->heap',
     '1'),
    ('btree_node.c', '(level == TREE_LEVEL_ANY || node->level == level)',
     '1'),
    ('btree_pool.c', 'if (pool_met(met, i, page))\n\t\t\t\treturn STATUS_CORRUPT;',
     ''),
    ('btree_pool.c', 'node->magic == TREE_FREE_MAGIC ? STATUS_OK : STATUS_CORRUPT',
     'STATUS_OK'),
    ('btree_pool.c', 'node->next = system->tree_free;\n\tsystem',
     'node->next = 0;\n\tsystem'),
    ('range_map.c', 'left == code && right == code ? most + 1 : most',
     'most'),
    ('range_map.c', '(right < code || left <= right)',
     '(right < code || left >= right)'),
    ('range_map.c', '~(larger | larger << (1u << (code - 1) & 63))',
     '~UINT64_C(0)'),
    ('range_map.c', 'if (code == whole)\n\t\t\tmemset(node, 0, PAGE_SIZE);',
     ''),
    ('range_map.c', 'heap_update(branch->largest, RANGE_CELLS, whole, cell, 1);',
     ''),
    ('range_map.c', 'map_open(space_writable(space, map_page(arena, level - 1, first)),\n\t\t\t\t level - 1);',
     ';'),
    ('range_map.c', 'i < GIVE_UP_MAX && level', 'i < 0 && level'),
    ('range_map.c', 'range_take(space, first, pages);\n\treturn status;',
     'range_take_prepare(space, first, pages, 0);\n\treturn status;'),
    ('range_map.c', 'if (!space_lost(space, status))\n\t\t\tbreak;',
     'if (status != STATUS_CORRUPT && status != STATUS_IO)\n\t\t\tbreak;'),
    ('range_map.c', '*first = map_begin[arena];', ';'),
    ('range_map.c', '<= map_begin[arena] ||\n\t\t    cell >= map_end[arena])', '<= 0)'),
    ('range.c', 'if (status == STATUS_OK && space_blank(page))', 'if (status == STATUS_OK)'),
    ('range.c', 'status = range_unused(space, first + larger, smaller);', ';'),
    ('range_map.c', 'if (branch->largest[RANGE_CELLS + map_cell(level, first) + i])\n\t\t\treturn false;',
     ';'),
    ('range_map.c', 'if (leaf->free[word] & word_mask(bit, pages, word))\n\t\t\treturn false;',
     ';'),
    ('range_map.c', 'if (whole || !map_taken(',
     'if (!map_taken('),
    ('range_map.c', 'if (code == whole && other == whole)\n\t\t\tcode++;',
     'if (0)\n\t\t\tcode++;'),
    ('range_map.c', 'if (whole || level)\n\t\treturn map_prepare(space, arena, level, first);\n\treturn map_leaf_prepare(space, arena, first, pages + beside, false)',
     'return map_leaf_prepare(space, arena, first, pages + beside, false)'),
    ('range_map.c', 'status == STATUS_OK && !range_valid(arena, *first, pages)',
     '0'),
    ('range_map.c', 'if (level == map_top(arena))\n\t\t\tend =',
     'if (0)\n\t\t\tend ='),
    ('range.c', 'beside ? 2 * larger : pages',
     'larger'),
    ('range.c', 'if (*next < end)\n\t\t\t*next = end;',
     ''),
    ('range.c', 'if (status == STATUS_LIMIT && system->quarantine_root)\n\t\treturn STATUS_BUSY;',
     ''),
    ('range.c', 'if (given == STATUS_OK)\n\t\trange_give(space, first, pages);',
     ''),
    ('range.c', 'return range_valid(key[0], first, *pages);',
     'return true;'),
    ('range.c', 'system->version = SYSTEM_VERSION_MAP;',
     ''),
    ('capability.c', 'found.version != capability->version',
     'found.version < capability->version'),
    ('capability.c', 'record->version != capability->revoker_version',
     '0'),
    ('capability.c', '(capability->rights & rights) != rights',
     '!(capability->rights & rights) && rights'),
    ('create.c', 'objects_version(space, creation->system) + 1',
     'objects_version(space, creation->system)'),
    ('create.c', 'system->free_object = creation->free_object;',
     ''),
    ('object.c', 'if (!(*record)->version)\n\t\treturn STATUS_DEAD;',
     ''),
    ('capability.c', 'type != OBJECT_NONE && capability->type != type',
     '0'),
    ('bank.c', 'pages > record.allowance.limit - record.size',
     '0'),
    ('bank.c', 'record->allowance.objects += objects;',
     ''),
    ('destroy.c', 'record->version = 0;',
     ''),
    ('destroy.c', 'if (ended->part[i].object.n == object.n)\n\t\t\treturn STATUS_OK;',
     ''),
    ('machine.c', 'if (machine->attachments[i].flags & ATTACHMENT_OWNED)',
     ''),
    ('table.c', 'if (held[*slot % TABLE_SLOTS_PER_PAGE].type == type)',
     'if (held[*slot % TABLE_SLOTS_PER_PAGE].type)'),
    ('machine.c', 'deadline_remove(space, destruction->deadline, object);',
     ';'),
    ('destroy.c', 'if (bank_credit(space, bank, record_charge(record), returned.addresses, 1))',
     'if (0)'),
    ('destroy.c', 'if (second.pages)\n\t\trange_give',
     'if (0)\n\t\trange_give'),
    ('destroy.c', 'range->pages = 0;\n\treturn STATUS_OK;',
     'return STATUS_OK;'),
    ('directory.c', 'return record->size ? STATUS_NOT_EMPTY',
     'return 0 ? STATUS_NOT_EMPTY'),
    ('destroy.c', 'if (space_lost(space, status))\n\t\tstatus = destruction_pass',
     'if (status == STATUS_CORRUPT || status == STATUS_IO)\n\t\tstatus = destruction_pass'),
    ('destroy.c', 'destruction->last = last;', ';'),
    ('destroy.c', ' && !record->next_free', ''),
    ('deadline.c', 'deadline_key(*deadline, *machine);', 'deadline_key(*deadline, (object_t){0});'),
    ('segment.c', 'memset(tail, 0, PAGE_SIZE - bytes % PAGE_SIZE);',
     ';'),
    ('segment.c', 'if (status == STATUS_OK && cleared)\n',
     'if (status == STATUS_OK)\n'),
    ('segment.c', 'bank_charge(space, bank, charge, 0, 0);',
     ';'),
    ('table.c', 'if (slot >= table->size)\n\t\treturn STATUS_INVALID;\n\tstatus',
     'if (0)\n\t\treturn STATUS_INVALID;\n\tstatus'),
    ('port.c', '% (uint32_t)port->size;\n\theader->count--',
     '% 256;\n\theader->count--'),
    ('port.c', '(*header)->head >= port->size ||',
     ''),
    ('port.c', 'header->count == port->size',
     'header->count > port->size'),
    ('directory.c', 'if (!same && !exists)\n',
     'if (!exists)\n'),
    ('directory.c', 'if (!same || exists)\n',
     'if (!same)\n'),
    ('directory.c', 'if (exists && !replace)\n\t\treturn STATUS_EXISTS;\n\tstatus',
     'if (0)\n\t\treturn STATUS_EXISTS;\n\tstatus'),
    ('attachment.c', 'shown >= USER_ARENA_PAGE &&',
     ''),
    ('attachment.c', '(page == shown || window_holds(page, 1))',
     '1'),
    ('attachment.c', 'run->owned && !(capability->rights & RIGHT_DESTROY)',
     '0'),
    ('attachment.c', 'run->place && !window_holds(run->place, pages)',
     '0'),
    ('attachment.c', 'overlap(place, made.pages, attachment_place(other), other->pages)',
     'overlap(made.first_page, made.pages, other->first_page, other->pages)'),
    ('attachment.c', 'overlap(place, made.pages, machine->message_page, 1)',
     '0'),
    ('attachment.c', 'part.flags += at * PAGE_SIZE;',
     ';'),
    ('attachment.c', 'part.flags &= ~(uint64_t)ATTACHMENT_OWNED;',
     ''),
    ('attachment.c', 'owned_pass(machine, &entry);\n\treturn STATUS_OK;\n}\n\nenum status attachment_remove',
     'return STATUS_OK;\n}\n\nenum status attachment_remove'),
    ('attachment.c', 'owned_pass(machine, &entry);\n\treturn STATUS_OK;\n}\n\nenum status machine_attachments_prune',
     'return STATUS_OK;\n}\n\nenum status machine_attachments_prune'),
    ('attachment.c', 'capability ? capability->rights : entry.rights',
     'entry.segment.rights'),
    ('attachment.c', 'capability->version != entry.segment.version',
     '0'),
    ('attachment.c', 'part[parts].segment = capability ? *capability : entry.segment;',
     ''),
    ('weight.c', 'record.bank != above.n',
     '0'),
    ('attachment.c', 'if (frees < parts)\n\t\treturn STATUS_LIMIT;',
     ''),
    ('attachment.c', 'return rights & ~most ? STATUS_NO_RIGHT : STATUS_OK;',
     '(void)most; return STATUS_OK;'),
    ('attachment.c', '(rights & RIGHT_WRITE && rights & RIGHT_EXECUTE)',
     '0'),
    ('attachment.c', 'pages > entry.pages - at)',
     'pages > entry.pages)'),
    ('machine_index.c', 'word &= UINT64_MAX << bit % 64;',
     ';'),
    ('machine.c', 'machine->version == record->version &&',
     ''),
    ('log.c', 'if (at > header->written)\n\t\tat = header->written;',
     ''),
    ('log.c', 'at = header->written - LOG_BYTES;',
     ';'),
    ('log.c', 'header->written + space->log_bytes + length',
     'header->written + length'),
    ('space.c', 'space->tree_changes = 0;',
     ''),
    ('space.c', 'system->next_version > space->version_floor ? system->next_version',
     'true ? system->next_version'),
    ('space.c', ': space->version_floor;',
     ': space->version_floor - 1;'),
    ('directory.c', 'directory.n == OBJECT_ROOT_DIRECTORY || directory.n == to.n',
     'directory.n == OBJECT_ROOT_DIRECTORY'),
    ('directory.c', 'directory.n == OBJECT_ROOT_DIRECTORY || ',
     ''),
    ('directory.c', 'if (to.n == directory.n)\n\t\t\treturn STATUS_LOOP;',
     ''),
    ('directory.c', 'if (!record->size)\n\t\treturn STATUS_OK;',
     ''),
    ('directory.c', '!system->places)\n\t\tstatus = STATUS_BUSY',
     '!system->places)\n\t\tstatus = STATUS_OK'),
    ('directory.c', 'depth > DIRECTORY_DEPTH_MAX',
     'depth > DIRECTORY_DEPTH_MAX + 1'),
    ('directory.c', 'depth > DIRECTORY_DEPTH_MAX',
     'depth >= DIRECTORY_DEPTH_MAX'),
    ('directory.c', 'record->version == capability->version',
     'record->version'),
    ('directory.c', 'placing->leaves.n && next && leaving.size',
     '0'),
    ('directory.c', 'placing->leaves.n && next && leaving.size',
     'placing->leaves.n && leaving.size'),
    ('directory.c', 'placing->comes.n && !moves && coming.directory.place',
     '0'),
    ('directory.c', '!moves && !(next->rights & RIGHT_WRITE)',
     '0'),
    ('directory.c', '!moves && !(next->rights & RIGHT_WRITE)',
     '!(next->rights & RIGHT_WRITE)'),
    ('directory.c', 'same || leaving.directory.place != place.n',
     'leaving.directory.place != place.n'),
    ('directory.c', 'same || leaving.directory.place != place.n',
     'same'),
    ('directory.c', 'moves ? coming.directory.place == place.n : same',
     'same'),
    ('directory.c', '->directory.place = 0;',
     '->directory.place = 1;'),
    ('directory.c', '->directory.place = place.n;',
     '->directory.place = placing->comes.n;'),
    ('directory.c', ' || found.directory.place ||\n',
     ' ||\n'),
    ('directory.c', '||\n\t    directory.n == OBJECT_ROOT_DIRECTORY)\n\t\treturn status;',
     ')\n\t\treturn status;'),
    ('directory.c', 'survey->length = 0;',
     ''),
    ('directory.c', 'survey->directory.n >= system->next_object',
     'survey->directory.n + 1 >= system->next_object'),
    ('transient.c', 'room < count',
     'false'),
    ('transient.c', 'transient_prepare(space, 1, &system);',
     'system_prepare(space, &system);'),
    ('transient.c', 'transient_add(system, (object_t){capability->object}, capability->version);',
     ';'),
    ('transient.c', 'record->version != system->transient[*at].version',
     '!record->version'),
    ('transient.c', 'if (status == STATUS_NOT_FOUND ||',
     'if ('),
    ('transient.c', 'if (!system->transient[*at].version)\n\t\t\tcontinue;',
     ''),
    ('transient.c', 'memset(&system->transient[at], 0,',
     'memset(&system->transient[0], 0,'),
    ('transient.c', 'if (system->transient[j].version == version)\n\t\t\treturn;',
     ''),
    ('transient.c', 'system->transient[i].version == version)\n\t\t\tmemset',
     'system->transient[i].version)\n\t\t\tmemset'),
]


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def compile_file(source, output):
    return subprocess.run(["gcc", *FLAGS, "-c", source, "-o", output], cwd=BUILD).returncode == 0


def link(output, *what):
    subprocess.run(["gcc", *SANITIZED, *what, "-o", output], cwd=BUILD, check=True)


def prepare():
    shutil.rmtree(BUILD, ignore_errors=True)
    for folder in ["base", "disk", "drivers", "kernel", "objects", "store", HERE]:
        shutil.copytree(ROOT / folder, BUILD / folder)
    tests = BUILD / HERE / "test_fake_btree.c"
    text = tests.read_text()
    tests.write_text(text.replace("i < 1000000", "i < 10000"))
    sources = sorted(path.relative_to(BUILD) for path in (BUILD / "objects").glob("*.c"))
    sources += [HERE / "fake_store.c"] + [HERE / f"test_fake_{test}.c" for test in TESTS]
    for source in sources:
        if not compile_file(source, source.stem + ".o"):
            sys.exit(f"{source}: does not compile")
    objects = [source.stem + ".o" for source in sources if "test_" not in source.stem]
    link(LIBRARY, "-shared", *objects)
    for test in TESTS:
        name = f"test_fake_{test}"
        link(name, name + ".o", LIBRARY, "-Wl,-rpath,$ORIGIN", "-lcmocka")
    return objects


def failing_test(objects):
    """The first test that notices, or None."""
    link(LIBRARY, "-shared", *objects)
    for test in TESTS:
        name = f"test_fake_{test}"
        done = subprocess.run([BUILD / name], capture_output=True, preexec_fn=limit)
        if done.returncode:
            return name
    return None


def run_fault(number, objects):
    """True if a test noticed it."""
    name, text, replacement = FAULTS[number]
    path = BUILD / "objects" / name
    sound = path.read_text()
    compiled_sound = (BUILD / f"{path.stem}.o").read_bytes()
    if text not in sound:
        print(f"{number}: does not apply: {name} has no {text!r}")
        return False
    path.write_text(sound.replace(text, replacement, 1))
    compiled = compile_file(path, path.stem + ".o")
    noticed = failing_test(objects) if compiled else None
    path.write_text(sound)
    (BUILD / f"{path.stem}.o").write_bytes(compiled_sound)
    print(f"{number}: {noticed or 'SURVIVED'}: {name} {text!r}", flush=True)
    return noticed is not None


def main():
    numbers = [int(word) for word in sys.argv[1:]] or range(len(FAULTS))
    objects = prepare()
    if failing_test(objects):
        sys.exit("the tests fail without a fault")
    killed = sum(run_fault(number, objects) for number in numbers)
    print(f"{killed} killed, {len(numbers) - killed} survived")
    sys.exit(killed != len(numbers))


if __name__ == "__main__":
    main()
