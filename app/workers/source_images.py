"""The images that accepted regions lie on: their headers from the spool, their pixels from the decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.domain.delivery import DeliveryOrder
from app.domain.study import Instance
from pacs_bridge.errors import Rejected as BridgeRejected

if TYPE_CHECKING:
    from app.workers.senders import Site
    from pacs_bridge.results.finding_content import AcceptedFinding, SourceImage


def shown_images(
    order: DeliveryOrder, findings: Sequence[AcceptedFinding], site: Site
) -> tuple[SourceImage, ...]:
    """Return the images with an accepted region, in the order of the study.

    Left out are images on which regions cannot be shown (colour, no pixels) and those that are gone from the
    spool: the text of the report leaves all the same.
    """
    wanted = {region.image.sop_instance_uid for finding in findings for region in finding.regions}
    with_region = (instance for instance in order.instances if instance.sop_uid in wanted)
    images = (_read(instance, site) for instance in with_region)
    return tuple(image for image in images if image is not None)


def read_pixels(order: DeliveryOrder, image: SourceImage, site: Site) -> Any:
    """Return the stored values of an image's first frame, decoded outside of this process.

    Returns
    -------
    numpy.ndarray
        (rows, columns), as stored.

    Raises
    ------
    app.services.decoder.PixelsUnreadable
        With the decoder's reason.
    """
    import numpy as np

    instance = next(i for i in order.instances if i.sop_uid == image.instance.sop_instance_uid)
    stored = site.decoder.decode(site.object_of(instance.sha256), 0)
    values = np.frombuffer(stored.data, dtype=stored.facts["dtype"])
    return values.reshape(image.rows, image.columns)


def _read(instance: Instance, site: Site) -> SourceImage | None:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    from pacs_bridge.results.finding_content import SourceImage

    try:
        header = dcmread(site.object_of(instance.sha256), stop_before_pixels=True)
        return SourceImage.of(header)
    except (BridgeRejected, InvalidDicomError, OSError, ValueError, AttributeError, RecursionError):
        return None
