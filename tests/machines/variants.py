# SPDX-License-Identifier: MIT
"""variants.py - the machines that Perdure is tried on.

A variant is a title and what differs from the usual machine: q35, BIOS, 512 MiB, one
virtio-blk disk.  In what QEMU gets, IMAGE stands for the image's path.
"""

DISK = "virtio-blk-pci,drive=disk"
MODERN = f"{DISK},disable-legacy=on"


def machines(prefix, versions):
    """The oldest offer no virtio 1.x of themselves, and know no -cpu max."""
    return {
        f"{prefix}-{version}": {
            "machine": f"{prefix}-{version}",
            **({"cpu": "qemu64"} if version in ("2.4", "2.6") else {}),
            "disk": ["-device", f"{MODERN},disable-modern=off,scsi=off"],
        }
        for version in versions
    }


def processors(*names):
    return {f"-cpu {name}": {"cpu": name} for name in names}


def memories(*sizes, **more):
    return {f"-m {size}M": {"memory": size, **more} for size in sizes}


def disks(*options):
    return {f"virtio-blk-pci,{option}": {"disk": ["-device", f"{DISK},{option}"]} for option in options}


def drives(*options):
    """The disk's file opened in another way."""
    return {
        f"-drive {option}": {
            "drive": False,
            "disk": ["-drive", f"if=none,id=disk,format=raw,file=IMAGE,{option}", "-device", MODERN],
        }
        for option in options
    }


def behind(*bridges):
    """The disk on the bus that the last of these devices makes, which has the name `last`."""
    return {
        " > ".join(bridge.split(",")[0] for bridge in chain): {
            "disk": [word for bridge in chain for word in ("-device", bridge)]
            + ["-device", f"{MODERN},bus=last"],
            **more,
        }
        for *chain, more in bridges
    }


def beside(*options, **more):
    """Something else in the machine."""
    return {option: {"arguments": option.split(), **more} for option in options}


def options(*names):
    return {f"-machine q35,{name}": {"machine": f"q35,{name}"} for name in names}


OTHER_DISKS = {
    "SATA": ["-device", "ide-hd,drive=disk"],
    "NVMe": ["-device", "nvme,drive=disk,serial=1"],
    "virtio-scsi": ["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=disk"],
    "SCSI (lsi53c895a)": ["-device", "lsi53c895a", "-device", "scsi-hd,drive=disk"],
    "USB": ["-device", "qemu-xhci", "-device", "usb-storage,drive=disk"],
}

GROUPS = {
    "Machine": {
        **machines("pc-q35", ["7.2", "7.0", "6.2", "6.0", "5.2", "5.0", "4.2", "4.0", "3.1", "2.12",
                              "2.10", "2.8", "2.6", "2.4"]),
        **machines("pc-i440fx", ["7.2", "7.0", "6.2", "6.0", "5.2", "5.0", "4.2", "4.0", "3.1",
                                 "2.12", "2.10", "2.8", "2.6", "2.4"]),
        **options("hpet=off", "smm=off", "vmport=on", "acpi=off", "sata=off", "smbus=off", "i8042=off",
                  "usb=on", "nvdimm=on", "graphics=off", "kernel-irqchip=off", "pit=off,hpet=on"),
        "isapc": {"machine": "isapc", "disk": OTHER_DISKS["SATA"]},
        "microvm, SeaBIOS": {
            "machine": "microvm,rtc=on,isa-serial=on",
            "arguments": ["-bios", "/usr/share/seabios/bios-microvm.bin"],
            "disk": ["-device", "virtio-blk-device,drive=disk"]},
    },
    "Firmware": {
        **{f"UEFI, {name}": {"machine": name, "uefi": True}
           for name in ("q35", "pc-q35-6.2", "pc-q35-4.2", "pc", "pc-i440fx-4.2")},
        "UEFI, -cpu qemu64": {"uefi": True, "cpu": "qemu64"},
        "UEFI, -smp 4": {"uefi": True, "arguments": ["-smp", "4"]},
        **{f"UEFI, -m {size}M": {"uefi": True, "memory": size} for size in (64, 128, 3000, 4096, 8192)},
        "UEFI, -vga std": {"uefi": True, "arguments": ["-vga", "std"]},
        "UEFI, -device ramfb": {"uefi": True, "arguments": ["-device", "ramfb"]},
        "UEFI, virtio-blk-pci,disable-legacy=off": {
            "uefi": True, "disk": ["-device", f"{DISK},disable-legacy=off"]},
        "UEFI, pxb-pcie > pcie-root-port": {
            "uefi": True,
            "disk": ["-device", "pxb-pcie,id=first,bus_nr=128", "-device",
                     "pcie-root-port,id=last,bus=first,chassis=9", "-device", f"{MODERN},bus=last"]},
    },
    "Processor": {
        **processors(
            "qemu64", "kvm64", "max", "core2duo", "Conroe", "Penryn", "Nehalem", "Westmere",
            "SandyBridge", "IvyBridge", "Haswell", "Broadwell", "Skylake-Client", "Skylake-Server",
            "Cascadelake-Server", "Cooperlake", "Icelake-Server", "Snowridge", "Denverton",
            "KnightsMill", "phenom", "Opteron_G1", "Opteron_G2", "Opteron_G3", "Opteron_G4",
            "Opteron_G5", "EPYC", "EPYC-Rome", "EPYC-Milan", "Dhyana", "max,-smep,-smap",
            "max,-umip", "max,-pdpe1gb", "max,-x2apic", "max,-rdrand,-rdseed", "max,-xsave",
            "max,-fsgsbase", "max,la57=off", "max,-tsc-deadline", "max,phys-bits=36",
            # 32 bits, or without what is needed:
            "qemu32", "n270", "pentium3", "qemu64,-nx", "qemu64,-apic", "qemu64,-sse2"),
        **beside("-smp 2", "-smp 4", "-smp 8,sockets=2,cores=2,threads=2", "-smp 1,maxcpus=4"),
    },
    "Memory": {
        **memories(16, 24, 25, 28, 32, 48, 64, 100, 128, 256, 1000, 2048, 3000, 4096, 8192),
        "-m 512M, slots for more": {"arguments": ["-m", "512M,slots=4,maxmem=8G"]},
    },
    "Disk": {
        **disks("disable-legacy=off", "disable-modern=on", "num-queues=1", "num-queues=4",
                "queue-size=4", "queue-size=8", "queue-size=16", "queue-size=64", "queue-size=1024",
                "queue-size=4,indirect_desc=off,seg-max-adjust=off", "indirect_desc=off",
                "event_idx=off", "packed=on", "seg-max-adjust=off", "config-wce=off",
                "write-cache=off", "write-cache=off,config-wce=off", "discard=off",
                "write-zeroes=off", "request-merging=off", "physical_block_size=4096",
                "ats=on,disable-legacy=on",
                "iommu_platform=on,disable-legacy=on", "vectors=0", "vectors=1", "vectors=5",
                "ioeventfd=off", "modern-pio-notify=on", "page-per-vq=on", "share-rw=on",
                "serial=0123456789", "bootindex=3", "addr=0x1e", "multifunction=on,addr=0x5.0x0",
                "discard_granularity=65536", "min_io_size=4096,opt_io_size=65536",
                "rerror=report,werror=report"),
        # A BIOS speaks on the serial line when there is no screen at all.
        "virtio-blk-pci,logical_block_size=4096": {
            "machine": "q35,graphics=off",
            "disk": ["-device", f"{MODERN},logical_block_size=4096,physical_block_size=4096"]},
        **{f"-device {name}": {"disk": ["-device", f"{name},drive=disk"]}
           for name in ("virtio-blk-pci-transitional", "virtio-blk-pci-non-transitional")},
        "virtio-blk-pci with an iothread": {
            "disk": ["-object", "iothread,id=thread", "-device", f"{MODERN},iothread=thread"]},
        **drives("cache=writeback", "cache=writethrough", "cache=unsafe", "aio=threads",
                 "detect-zeroes=on", "discard=ignore", "copy-on-read=on", "readonly=on",
                 "throttling.iops-total=200", "throttling.bps-total=20000000"),
        **{f"the disk by {name}": {"disk": disk} for name, disk in OTHER_DISKS.items()},
    },
    "Bus": behind(
        ("pcie-root-port,id=last,chassis=1", {}),
        ("ioh3420,id=last,chassis=1", {}),
        ("pcie-root-port,id=first,chassis=1", "x3130-upstream,id=second,bus=first",
         "xio3130-downstream,id=last,bus=second,chassis=2", {}),
        ("pcie-pci-bridge,id=last", {}),
        ("i82801b11-bridge,id=last", {}),
        ("pci-bridge,id=last,chassis_nr=1", {}),
        ("i82801b11-bridge,id=first", "pci-bridge,id=last,bus=first,chassis_nr=1", {}),
        ("pxb-pcie,id=first,bus_nr=128", "pcie-root-port,id=last,bus=first,chassis=9", {}),
        ("pxb-pcie,id=first,bus_nr=250", "ioh3420,id=last,bus=first,chassis=9", {}),
        ("pxb,id=last,bus_nr=64", {"machine": "pc"}),
    ) | {
        "pc, pci-bridge": {
            "machine": "pc",
            "disk": ["-device", "pci-bridge,id=last,chassis_nr=1", "-device", f"{MODERN},bus=last"]},
        "pc, the disk at 1f.0": {"machine": "pc", "disk": ["-device", f"{MODERN},addr=0x1f"]},
        "intel-iommu": {"disk": ["-device", "intel-iommu", "-device", MODERN]},
        "intel-iommu, iommu_platform=on": {
            "disk": ["-device", "intel-iommu", "-device", f"{MODERN},iommu_platform=on"]},
        "amd-iommu, iommu_platform=on": {
            "disk": ["-device", "amd-iommu", "-device", f"{MODERN},iommu_platform=on"]},
        "virtio-iommu-pci, iommu_platform=on": {
            "disk": ["-device", "virtio-iommu-pci,addr=0x8", "-device", f"{MODERN},iommu_platform=on"]},
    },
    "Time": {
        **beside("-rtc base=localtime", "-rtc base=2031-05-06T07:08:09", "-rtc clock=vm",
                 "-rtc clock=rt", "-rtc driftfix=slew", "-rtc base=1999-12-31T23:59:50"),
        **beside("-global mc146818rtc.lost_tick_policy=slew", "-device vmgenid,guid=auto"),
        "-icount shift=auto": {"arguments": ["-icount", "shift=auto"]},
        "-icount shift=3": {"arguments": ["-icount", "shift=3"]},
        "-accel tcg,thread=single": {"accel": "tcg,thread=single"},
        "-accel tcg,thread=multi": {"accel": "tcg,thread=multi"},
        "-accel tcg,tb-size=16": {"accel": "tcg,tb-size=16"},
    },
    "Beside it": {
        **beside("-vga std", "-vga cirrus", "-vga qxl", "-vga virtio", "-vga vmware", "-vga none",
                 "-device bochs-display", "-device e1000", "-device e1000e", "-device rtl8139",
                 "-device virtio-net-pci", "-device vmxnet3", "-device virtio-rng-pci",
                 "-device virtio-balloon-pci", "-device virtio-serial-pci", "-device virtio-gpu-pci",
                 "-device virtio-scsi-pci", "-device nec-usb-xhci", "-device piix3-usb-uhci",
                 "-device usb-ehci", "-device pci-serial", "-debugcon null",
                 "-device i6300esb", "-device pvpanic", "-device vmcoreinfo", "-device intel-hda",
                 "-device AC97", "-device edu", "-device pci-testdev", "-device sdhci-pci",
                 "-device ich9-ahci", "-device nvme,serial=1", "-device virtio-keyboard-pci"),
    },
}

VARIANTS = {
    f"{group}: {title}": variant for group, variants in GROUPS.items() for title, variant in variants.items()
}

# A little of everything, for each run of the tests.
SAMPLE = [
    "Machine: pc-i440fx-7.2",
    "Machine: -machine q35,acpi=off",
    "Machine: isapc",
    "Firmware: UEFI, pc",
    "Processor: -cpu n270",
    "Processor: -cpu Opteron_G1",
]
