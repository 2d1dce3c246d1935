/* SPDX-License-Identifier: MIT */
/*
 * layout.c - where every field of every structure on the disk lies, asserted.
 *
 * A disk written by one compiler is read by another: what a structure says must not be
 * left to either.
 */
#include <assert.h>
#include <stddef.h>
#include "disk/format.h"
#include "disk/object.h"
#include "disk/structures.h"
#include "disk/stream.h"

#define SIZE(type, size) static_assert(sizeof(struct type) == (size), #type)
#define AT(type, field, place)                                                                     \
	static_assert(offsetof(struct type, field) == (place), #type "." #field)

/* ---- the store ---------------------------------------------------------------------- */

SIZE(disk_reference, 32);
AT(disk_reference, sector_low, 0);
AT(disk_reference, sector_high, 4);
AT(disk_reference, sectors, 6);
AT(disk_reference, codec, 7);
AT(disk_reference, birth, 8);
AT(disk_reference, checksum, 16);
AT(disk_reference, length, 24);
AT(disk_reference, auxiliary_high, 26);
AT(disk_reference, auxiliary_low, 28);

SIZE(disk_node, 4096);
AT(disk_node, entry, 0);

SIZE(disk_superblock, 4096);
AT(disk_superblock, magic, 0);
AT(disk_superblock, version, 8);
AT(disk_superblock, header_size, 12);
AT(disk_superblock, features_incompatible, 16);
AT(disk_superblock, features_read_only, 24);
AT(disk_superblock, features_compatible, 32);
AT(disk_superblock, identity, 40);
AT(disk_superblock, created_ns, 56);
AT(disk_superblock, sector_size, 64);
AT(disk_superblock, block_size, 68);
AT(disk_superblock, write_unit, 72);
AT(disk_superblock, ring_slots, 76);
AT(disk_superblock, slot_size, 80);
AT(disk_superblock, reserved0, 84);
AT(disk_superblock, ring_sector, 88);
AT(disk_superblock, data_sector, 96);
AT(disk_superblock, revision, 104);
AT(disk_superblock, copy, 112);
AT(disk_superblock, reserved, 128);
AT(disk_superblock, checksum, 4088);

SIZE(disk_root, 48);
AT(disk_root, reference, 0);
AT(disk_root, height, 32);
AT(disk_root, reserved, 36);
AT(disk_root, pages, 40);

SIZE(disk_counters, 32);
AT(disk_counters, uptime_ns, 0);
AT(disk_counters, object_version, 8);
AT(disk_counters, resumes, 16);
AT(disk_counters, reserved, 24);

SIZE(disk_retention, 32);
AT(disk_retention, interval_s, 0);
AT(disk_retention, minutes, 4);
AT(disk_retention, hours, 6);
AT(disk_retention, days, 8);
AT(disk_retention, budget, 10);
AT(disk_retention, reserved, 12);

SIZE(disk_receiving, 56);
AT(disk_receiving, source, 0);
AT(disk_receiving, generation, 16);
AT(disk_receiving, base, 24);
AT(disk_receiving, position, 32);
AT(disk_receiving, replaced, 40);
AT(disk_receiving, digest, 48);

SIZE(disk_record, 512);
AT(disk_record, magic, 0);
AT(disk_record, kind, 8);
AT(disk_record, length, 12);
AT(disk_record, checksum, 16);
AT(disk_record, identity, 24);
AT(disk_record, generation, 40);
AT(disk_record, durable, 48);
AT(disk_record, predecessor, 56);
AT(disk_record, base, 64);
AT(disk_record, wall_ns, 72);
AT(disk_record, flags, 80);
AT(disk_record, slot, 84);
AT(disk_record, sectors, 88);
AT(disk_record, used_sectors, 96);
AT(disk_record, snapshots, 104);
AT(disk_record, next_snapshot, 112);
AT(disk_record, origin, 120);
AT(disk_record, dying, 128);
AT(disk_record, entries, 136);
AT(disk_record, reserved0, 140);
AT(disk_record, counters, 144);
AT(disk_record, space, 176);
AT(disk_record, free_map, 224);
AT(disk_record, catalogue, 272);
AT(disk_record, label, 320);
AT(disk_record, retention, 384);
AT(disk_record, receiving, 416);
AT(disk_record, held_sectors, 472);
AT(disk_record, origin_generation, 480);
AT(disk_record, predecessor_blocks, 488);
AT(disk_record, reserved, 496);

SIZE(disk_delta, 40);
AT(disk_delta, page, 0);
AT(disk_delta, reference, 8);

SIZE(disk_tombstone, 512);
AT(disk_tombstone, magic, 0);
AT(disk_tombstone, slot, 8);
AT(disk_tombstone, reserved0, 12);
AT(disk_tombstone, checksum, 16);
AT(disk_tombstone, identity, 24);
AT(disk_tombstone, generation, 40);
AT(disk_tombstone, reserved, 48);

SIZE(disk_snapshot, 216);
AT(disk_snapshot, magic, 0);
AT(disk_snapshot, number, 8);
AT(disk_snapshot, parent, 16);
AT(disk_snapshot, generation, 24);
AT(disk_snapshot, root, 32);
AT(disk_snapshot, wall_ns, 80);
AT(disk_snapshot, uptime_ns, 88);
AT(disk_snapshot, flags, 96);
AT(disk_snapshot, children, 100);
AT(disk_snapshot, cursor, 104);
AT(disk_snapshot, name, 112);
AT(disk_snapshot, source, 176);
AT(disk_snapshot, source_generation, 192);
AT(disk_snapshot, held_sectors, 200);
AT(disk_snapshot, source_digest, 208);

SIZE(disk_snapshot_page, 4096);
AT(disk_snapshot_page, entry, 0);
AT(disk_snapshot_page, reserved, 216);

/* ---- objects ------------------------------------------------------------------------ */

SIZE(disk_capability, 64);
AT(disk_capability, version, 0);
AT(disk_capability, object, 8);
AT(disk_capability, type, 12);
AT(disk_capability, flags, 13);
AT(disk_capability, rights, 14);
AT(disk_capability, badge, 16);
AT(disk_capability, aux, 24);
AT(disk_capability, revoker_version, 32);
AT(disk_capability, revoker, 40);
AT(disk_capability, reserved0, 44);
AT(disk_capability, reserved, 48);

SIZE(disk_object, 64);
AT(disk_object, version, 0);
AT(disk_object, type, 8);
AT(disk_object, flags, 9);
AT(disk_object, reserved0, 10);
AT(disk_object, bank, 12);
AT(disk_object, first_page, 16);
AT(disk_object, range_pages, 24);
AT(disk_object, size, 32);
AT(disk_object, segment.wall_ns, 40);
AT(disk_object, segment.digest, 48);
AT(disk_object, machine.message_page, 40);
AT(disk_object, machine.message_pages, 48);
AT(disk_object, port.receiver, 40);
AT(disk_object, port.receiver_version, 48);
AT(disk_object, directory.root, 40);
AT(disk_object, view.root, 40);
AT(disk_object, view.reserved, 48);
AT(disk_object, view.pages, 52);
AT(disk_object, directory.place, 48);
AT(disk_object, directory.pages, 52);
AT(disk_object, allowance.limit, 40);
AT(disk_object, allowance.objects, 48);
AT(disk_object, bank_version, 56);
AT(disk_object, next_free, 56);
AT(disk_object, passed, 60);

SIZE(disk_account, 64);
AT(disk_account, next, 0);
AT(disk_account, previous, 4);
AT(disk_account, first_bank, 8);
AT(disk_account, first_object, 12);
AT(disk_account, depth, 16);
AT(disk_account, reserved0, 20);
AT(disk_account, addresses, 24);
AT(disk_account, address_limit, 32);
AT(disk_account, weight, 40);
AT(disk_account, weight_given, 44);
AT(disk_account, reserved, 48);

SIZE(disk_system, 4096);
AT(disk_system, magic, 0);
AT(disk_system, version, 8);
AT(disk_system, reserved0, 12);
AT(disk_system, next_version, 16);
AT(disk_system, next_object, 24);
AT(disk_system, free_object, 28);
AT(disk_system, kernel_next, 32);
AT(disk_system, user_next, 40);
AT(disk_system, quarantine_root, 48);
AT(disk_system, quarantine_sequence, 56);
AT(disk_system, deadline_root, 64);
AT(disk_system, tree_free, 72);
AT(disk_system, root_directory, 80);
AT(disk_system, root_bank, 84);
AT(disk_system, checkpoint_ns, 88);
AT(disk_system, destroying, 96);
AT(disk_system, places, 100);
AT(disk_system, tree_next, 104);
AT(disk_system, machine_root, 112);
AT(disk_system, resume, 120);
AT(disk_system, terminal, 1144);
AT(disk_system, essential, 1160);
AT(disk_system, transient, 1288);
AT(disk_system, destroying_last, 1416);
AT(disk_system, reserved, 1420);

SIZE(disk_registers, 144);
AT(disk_registers, gpr, 0);
AT(disk_registers, rip, 128);
AT(disk_registers, rflags, 136);

SIZE(disk_attachment, 96);
AT(disk_attachment, segment, 0);
AT(disk_attachment, first_page, 64);
AT(disk_attachment, pages, 72);
AT(disk_attachment, rights, 80);
AT(disk_attachment, flags, 88);

SIZE(disk_view_attachment, 48);
AT(disk_view_attachment, segment_version, 0);
AT(disk_view_attachment, revoker_version, 8);
AT(disk_view_attachment, segment, 16);
AT(disk_view_attachment, revoker, 20);
AT(disk_view_attachment, segment_rights, 24);
AT(disk_view_attachment, rights, 26);
AT(disk_view_attachment, reserved, 28);
AT(disk_view_attachment, first_page, 32);
AT(disk_view_attachment, pages, 40);

SIZE(disk_machine, 4096);
AT(disk_machine, magic, 0);
AT(disk_machine, object, 4);
AT(disk_machine, version, 8);
AT(disk_machine, state, 16);
AT(disk_machine, priority, 17);
AT(disk_machine, fault, 18);
AT(disk_machine, stopped, 19);
AT(disk_machine, exit_code, 20);
AT(disk_machine, message_page, 24);
AT(disk_machine, registers, 32);
AT(disk_machine, resume_revoker_version, 176);
AT(disk_machine, fs_base, 184);
AT(disk_machine, gs_base, 192);
AT(disk_machine, foreign, 200);
AT(disk_machine, reserved0, 204);
AT(disk_machine, reserved1, 208);
AT(disk_machine, fpu, 256);
AT(disk_machine, table, 768);
AT(disk_machine, keeper, 832);
AT(disk_machine, deadline, 896);
AT(disk_machine, call_number, 904);
AT(disk_machine, callee_version, 912);
AT(disk_machine, callee, 920);
AT(disk_machine, keeper_wants, 924);
AT(disk_machine, fault_address, 928);
AT(disk_machine, fault_code, 936);
AT(disk_machine, cpu_ns, 944);
AT(disk_machine, messages_sent, 952);
AT(disk_machine, messages_received, 960);
AT(disk_machine, faults_served, 968);
AT(disk_machine, started_ns, 976);
AT(disk_machine, last_ns, 984);
AT(disk_machine, resume_seen, 992);
AT(disk_machine, resume_port_version, 1000);
AT(disk_machine, resume_port, 1008);
AT(disk_machine, resume_revoker, 1012);
AT(disk_machine, ports, 1016);
AT(disk_machine, name, 1144);
AT(disk_machine, reply, 1184);
AT(disk_machine, view, 1248);
AT(disk_machine, reserved3, 1312);
AT(disk_machine, attachments, 1792);

SIZE(disk_message, 2048);
AT(disk_message, badge, 0);
AT(disk_message, label, 8);
AT(disk_message, word, 16);
AT(disk_message, length, 64);
AT(disk_message, sender, 68);
AT(disk_message, flags, 72);
AT(disk_message, reserved0, 80);
AT(disk_message, reply, 128);
AT(disk_message, capability, 192);
AT(disk_message, data, 448);
AT(disk_message, reserved, 1472);

SIZE(disk_port, 4096);
AT(disk_port, magic, 0);
AT(disk_port, capacity, 4);
AT(disk_port, head, 8);
AT(disk_port, count, 12);
AT(disk_port, received, 16);
AT(disk_port, reserved, 24);

SIZE(disk_tree_page, 4096);
AT(disk_tree_page, magic, 0);
AT(disk_tree_page, level, 4);
AT(disk_tree_page, count, 6);
AT(disk_tree_page, heap, 8);
AT(disk_tree_page, reserved0, 10);
AT(disk_tree_page, reserved1, 12);
AT(disk_tree_page, next, 16);
AT(disk_tree_page, reserved2, 24);
AT(disk_tree_page, bytes, 32);

SIZE(disk_range_leaf, 4096);
AT(disk_range_leaf, free, 0);

SIZE(disk_range_branch, 4096);
AT(disk_range_branch, largest, 0);

SIZE(disk_log, 4096);
AT(disk_log, magic, 0);
AT(disk_log, pages, 4);
AT(disk_log, written, 8);
AT(disk_log, reserved, 16);

/* ---- streams ------------------------------------------------------------------------ */

SIZE(stream_header, 512);
AT(stream_header, magic, 0);
AT(stream_header, version, 8);
AT(stream_header, header_size, 12);
AT(stream_header, features, 16);
AT(stream_header, identity, 24);
AT(stream_header, generation, 40);
AT(stream_header, digest, 48);
AT(stream_header, base, 56);
AT(stream_header, base_digest, 64);
AT(stream_header, first_page, 72);
AT(stream_header, wall_ns, 80);
AT(stream_header, uptime_ns, 88);
AT(stream_header, counters, 96);
AT(stream_header, space_pages, 128);
AT(stream_header, pages, 136);
AT(stream_header, blocks, 144);
AT(stream_header, leaves, 152);
AT(stream_header, cleared, 160);
AT(stream_header, name, 168);
AT(stream_header, base_name, 232);
AT(stream_header, reserved, 296);
AT(stream_header, checksum, 504);

SIZE(stream_frame, 48);
AT(stream_frame, magic, 0);
AT(stream_frame, kind, 4);
AT(stream_frame, sequence, 8);
AT(stream_frame, length, 16);
AT(stream_frame, items, 20);
AT(stream_frame, position, 24);
AT(stream_frame, reserved, 32);
AT(stream_frame, checksum, 40);

SIZE(stream_item, 16);
AT(stream_item, page, 0);
AT(stream_item, count, 8);
AT(stream_item, length, 12);
AT(stream_item, codec, 14);
AT(stream_item, reserved, 15);

SIZE(stream_end, 32);
AT(stream_end, frames, 0);
AT(stream_end, pages, 8);
AT(stream_end, cleared, 16);
AT(stream_end, bytes, 24);
