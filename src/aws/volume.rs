//! EBS volumes: what they are, and what each kind costs.
//!
//! Follows *Amazon EBS volume types* (2026) and the EBS pricing page: by the GB-month provisioned, by the second, a minute at
//! least. Left out: snapshots, I/O requests of magnetic volumes, multi-attach, and file systems of EFS, which cost nothing here.

/// `VolumeType`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumeType {
    /// `gp2`
    Gp2,
    /// `gp3`: what ECS-optimized AMIs have, and ECS gives to tasks.
    #[default]
    Gp3,
    /// `io1`
    Io1,
    /// `io2`
    Io2,
    /// `st1`
    St1,
    /// `sc1`
    Sc1,
    /// `standard`: magnetic, of a former generation.
    Standard,
}

impl VolumeType {
    /// Every type, with AWS's word for it.
    pub const WORDS: [(&'static str, VolumeType); 7] = [
        ("gp2", VolumeType::Gp2),
        ("gp3", VolumeType::Gp3),
        ("io1", VolumeType::Io1),
        ("io2", VolumeType::Io2),
        ("st1", VolumeType::St1),
        ("sc1", VolumeType::Sc1),
        ("standard", VolumeType::Standard),
    ];
}

/// GiB of the root volume of ECS-optimized Amazon Linux AMIs (developer guide, *Amazon ECS-optimized Linux AMIs*, 2026).
pub const ROOT_VOLUME_GIB: u32 = 30;

/// GiB of the root volume of an ECS-optimized AMI of Windows Server (by recollection).
pub const WINDOWS_ROOT_VOLUME_GIB: u32 = 50;

/// IOPS that come with a gp3 volume.
pub const GP3_IOPS: u32 = 3_000;

/// MiB/s that come with a gp3 volume.
pub const GP3_THROUGHPUT: u32 = 125;

/// An EBS volume as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EbsVolume {
    /// Its type.
    pub volume_type: VolumeType,
    /// GiB; AWS bills them as GB.
    pub size_gib: u32,
    /// Provisioned IOPS; `None` is what comes with it.
    pub iops: Option<u32>,
    /// Provisioned MiB/s; `None` is what comes with it.
    pub throughput_mibps: Option<u32>,
}

impl EbsVolume {
    /// A gp3 volume with what comes with it.
    pub fn gp3(size_gib: u32) -> EbsVolume {
        EbsVolume { volume_type: VolumeType::Gp3, size_gib, iops: None, throughput_mibps: None }
    }
}

/// What a type of volume costs a month, USD.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VolumePrice {
    /// A GB.
    pub gb_month: f64,
    /// An IOPS above what comes with it.
    pub iops_month: f64,
    /// A MiB/s above what comes with it.
    pub throughput_month: f64,
}

impl VolumePrice {
    /// A volume of this price, a month, USD.
    pub fn usd_per_month(&self, volume: &EbsVolume) -> f64 {
        let iops = f64::from(volume.iops.unwrap_or(0));
        let billed_iops = match volume.volume_type {
            VolumeType::Gp3 => (iops - f64::from(GP3_IOPS)).max(0.0),
            VolumeType::Io1 => iops,
            // Above 32 000 and above 64 000 each costs 0.7 of what one costs below.
            VolumeType::Io2 => {
                let between = |from: f64, to: f64| (iops.min(to) - from).max(0.0);
                between(0.0, 32_000.0) + 0.7 * between(32_000.0, 64_000.0) + 0.49 * between(64_000.0, f64::INFINITY)
            }
            VolumeType::Gp2 | VolumeType::St1 | VolumeType::Sc1 | VolumeType::Standard => 0.0,
        };
        let throughput = volume.throughput_mibps.unwrap_or(0).saturating_sub(GP3_THROUGHPUT);
        let billed_throughput = if volume.volume_type == VolumeType::Gp3 { f64::from(throughput) } else { 0.0 };
        f64::from(volume.size_gib) * self.gb_month
            + billed_iops * self.iops_month
            + billed_throughput * self.throughput_month
    }
}
