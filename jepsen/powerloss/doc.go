// Package powerloss makes file systems that lose what was not synced when their
// power fails. They live in the memory of this program, which keeps its power,
// and are served by FUSE, which needs root and /dev/fuse on Linux.
//
// A disk holds two states: how its files are, which everybody sees, and what
// there would be without power. These are the rules by which the first becomes
// the second. They are the least that POSIX promises, less than what ext4, xfs or
// btrfs do, so that a program which holds under them holds there:
//
//   - fsync and fdatasync of a file make its bytes and its length last, and not
//     its name.
//   - fsync of a folder makes the names in it last as they are: made, renamed or
//     removed; not those in folders below, and not the bytes of any file.
//   - Anything else lasts or not, as the loss draws it: of the pages of 4 KiB that
//     were written since, each is lost, there, or torn between two sectors of 512
//     bytes; a length that was changed is the old or the new one; of the
//     changes of a folder's names the first few are there. Or all of it is lost.
//   - What a sync failed to write is lost, unless it is written once more.
//   - A rename within a folder is there as a whole or not at all. From one folder
//     to another there is none (EXDEV).
package powerloss
