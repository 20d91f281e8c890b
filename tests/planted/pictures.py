"""Mistakes in the reading of folders and pictures, data/."""

from tests.planting import Mistake

FILES, FOLDERS = "tests/reading/test_picture_files.py", "tests/reading/test_folders.py"
PICTURES, ARRAYS = "tests/data/test_pictures.py", "tests/data/test_array_folders.py"

MISTAKES = [
    Mistake("reading/picture_files.py", "high * np.uint16(256) + low", "high * np.uint16(256) + high", FILES),
    Mistake("reading/picture_files.py", "6: lambda x: x[::-1]", "6: lambda x: x[:, ::-1]", FILES),
    Mistake("reading/picture_files.py", "pixels = white - pixels", "pass", FILES),
    Mistake(
        "reading/picture_files.py",
        "white - pixels.astype(np.float64)) * (alpha / white)",
        "0 - pixels.astype(np.float64)) * (alpha / white)",
        FILES,
    ),
    Mistake(
        "reading/picture_files.py",
        'path.open("rb") as file, Image.open(file) as image',
        "Image.open(path) as image",
        FILES,
    ),
    Mistake("reading/picture_files.py", "image.format not in COMPOSITE", "True", FILES),
    Mistake("reading/picture_files.py", "if num > 1 and", "if num > 3 and", FILES),
    Mistake("reading/picture_files.py", 'and image.mode not in ("P", "PA")', "", PICTURES),
    Mistake("reading/picture_files.py", "[2] & 0x40 else 8", "[2] & 0x80 else 8", FILES),
    Mistake("reading/picture_files.py", "size[36:38]", "size[35:36]", FILES),
    Mistake("reading/picture_files.py", "max(image.tag_v2.get(BITS_PER_SAMPLE, (1,)))", "8", FILES),
    Mistake("reading/picture_files.py", "(bits > 8 or image.mode", "(image.mode", FILES),
    Mistake("reading/picture_files.py", 'image.mode == "I" and', 'image.mode == "F" and', FILES),
    Mistake("data/pictures.py", "in_colour and pixels.ndim < ndim", "False", PICTURES),
    Mistake("data/pictures.py", "self.all_stored_in_colour &= ", "self.all_stored_in_colour |= ", PICTURES),
    Mistake("data/pictures.py", "WHITE[str(dtype)] // WHITE[str(pixels.dtype)]", "1", PICTURES),
    Mistake("data/pictures.py", "np.moveaxis(x, 3, 1)", "np.moveaxis(x, 3, 2)", PICTURES),
    Mistake("reading/values.py", "x / np.float32(DEEP_WHITE)", "x / np.float32(DEEP_WHITE + 1)", FILES),
    Mistake(
        "data/pictures.py",
        "if pixels.shape[:2] != self.x.shape[1:3]",
        "if pixels.shape[0] != self.x.shape[1]",
        PICTURES,
    ),
    Mistake("data/pictures.py", "needed > free", "free > needed", PICTURES),
    Mistake(
        "reading/folders.py", 'entry.name.startswith(".") or entry.name in LITTER', "entry.name in LITTER", FOLDERS
    ),
    Mistake("reading/folders.py", "above | {real}", "above", FOLDERS),
    Mistake("reading/folders.py", ".suffix.lower() in picture_suffixes()", ".suffix in picture_suffixes()", FILES),
    Mistake("reading/folders.py", "SPLITS.get(sub.name.casefold()), sub)", "SPLITS.get(sub.name), sub)", FOLDERS),
    Mistake(
        "reading/folders.py",
        '("train", "val", "test") if split in splits',
        '("val", "train", "test") if split in splits',
        FOLDERS,
    ),
    Mistake("reading/folders.py", "if len(splits) < len(named)", "if not splits", FOLDERS),
    Mistake("reading/folders.py", "if bool(found) != bool(known)", "if found and not known", FOLDERS),
    Mistake("reading/folders.py", "if new := sorted(found - known)", "if new := sorted(known - found)", FOLDERS),
    Mistake("reading/folders.py", "if len(set(similar.values())) > 1", "if len(set(similar.values())) > 2", FOLDERS),
    Mistake("reading/folders.py", "for path in sub.all_pictures()", "for path in sub.pictures", FOLDERS),
    Mistake("reading/folders.py", 'in ("val", "test"):', 'in ("test",) and False:', FOLDERS),
    Mistake("reading/folders.py", "if folder.pictures and classes", "if False", FOLDERS),
    Mistake("data/own_files.py", "np.split(x, ends[:-1])", "np.split(x[::-1], ends[:-1])", FOLDERS),
    Mistake("data/own_files.py", 'else f"{name}_{split}"', 'else f"{split}_{name}"', ARRAYS),
    Mistake("data/own_files.py", "if len(sets) > 1", "if len(sets) > 2", ARRAYS),
    Mistake("data/own_files.py", "sorted(paths, reverse=True)", "sorted(paths)", ARRAYS),
    Mistake("data/own_files.py", "if called in joined", "if part in joined and False", ARRAYS),
]
