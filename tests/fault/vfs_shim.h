/* SPDX-License-Identifier: MIT */
/* A disk that fails on demand, put between SQLite and the real one. Every write, sync,
 * truncation, removal and renaming counts as a step; at a chosen step the process dies or
 * the call fails. No fsync really happens, so sweeps are quick. */
#ifndef FIRTH_TESTS_FAULT_VFS_SHIM_H
#define FIRTH_TESTS_FAULT_VFS_SHIM_H

#include <stdbool.h>
#include <stdint.h>

enum vfs_shim_fault {
    VFS_SHIM_NONE,
    VFS_SHIM_KILL,     /* _exit(VFS_SHIM_KILLED) in the middle of the step */
    VFS_SHIM_FULL,     /* this write and all that follow: no space, until healed */
    VFS_SHIM_SYNC_EIO, /* the first sync from this step on fails, once */
    VFS_SHIM_WRITE_EIO /* the first write from this step on fails, once */
};

/* What a kill does to what was written since the last sync of each file. */
enum vfs_shim_loss {
    VFS_SHIM_KEEP, /* the process died, the machine lives on */
    VFS_SHIM_LOSE, /* power cut: all of it is gone */
    VFS_SHIM_MIX   /* power cut: each sector of 512 bytes is the old or the new one */
};

enum { VFS_SHIM_KILLED = 99 };

/* Makes the shim SQLite's default VFS in this process. */
void vfs_shim_register(void);

/* Starts counting steps from 1 again and arms the fault at step `at`. */
void vfs_shim_arm(enum vfs_shim_fault fault, uint64_t at, enum vfs_shim_loss loss);
void vfs_shim_heal(void);
uint64_t vfs_shim_steps(void);
bool vfs_shim_fired(void);

#endif
