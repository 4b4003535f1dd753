//! Which filesystems share no memory between machines (or between a machine and its guest): a WAL there corrupts.

use std::path::Path;

/// `f_type` of statfs(2): NFS, SMB, CIFS, SMB2, 9P, FUSE and virtiofs, vboxsf, AFS, Ceph, Coda, NCP.
#[cfg(target_os = "linux")]
const REMOTE: [u64; 11] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x0102_1997,
    0x6573_5546,
    0x786f_4256,
    0x5346_414f,
    0x00c3_6400,
    0x7375_7245,
    0x564c,
];

/// Whether `folder` lies on one of them. A folder that cannot be asked about is taken for a local one.
#[cfg(target_os = "linux")]
pub(super) fn is_remote(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|found| is_remote_type(found.f_type as u64))
}

#[cfg(target_os = "linux")]
fn is_remote_type(found: u64) -> bool {
    // 32-bit kernels sign-extend the type.
    REMOTE.contains(&(found & 0xffff_ffff))
}

/// Elsewhere the type is a name that larder does not read yet.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_remote(_folder: &Path) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn network_and_guest_mounts_are_remote_and_local_ones_are_not() {
        for remote in [0x6969, 0xff53_4d42, 0xffff_ffff_ff53_4d42, 0x0102_1997, 0x6573_5546] {
            assert!(super::is_remote_type(remote), "{remote:#x}");
        }
        for local in [0xef53, 0x0102_1994, 0x5846_5342, 0x9123_683e, 0x794c_7630] {
            assert!(!super::is_remote_type(local), "{local:#x}");
        }
    }
}
