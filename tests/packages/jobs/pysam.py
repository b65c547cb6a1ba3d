"""A BAM file, with an index. Its modules are linked with each other, and have no sonames."""

import tempfile

import pysam

HEADER = {"HD": {"VN": "1.0"}, "SQ": [{"LN": 1000, "SN": "chromosome"}]}


def work() -> object:
    with tempfile.NamedTemporaryFile(suffix=".bam") as file:
        with pysam.AlignmentFile(file.name, "wb", header=HEADER) as out:
            for i in range(100):
                segment = pysam.AlignedSegment(out.header)
                segment.query_name, segment.query_sequence = str(i), "ACGT"
                segment.reference_id, segment.reference_start = 0, i
                segment.cigar = ((0, 4),)
                out.write(segment)
        pysam.index(file.name, f"{file.name}.bai")
        with pysam.AlignmentFile(file.name, index_filename=f"{file.name}.bai") as found:
            names = [segment.query_name for segment in found.fetch("chromosome", 20, 23)]
    return names
