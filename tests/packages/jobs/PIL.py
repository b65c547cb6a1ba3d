"""Pictures: drawing, text, resizing, PNG, JPEG and WebP there and back."""

import io

from PIL import Image, ImageDraw, ImageFilter, ImageFont


def work() -> object:
    picture = Image.linear_gradient("L").convert("RGB")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((20, 20, 90, 90), fill=(255, 0, 0))
    draw.text((10, 100), "text", font=ImageFont.load_default(20))
    small = picture.rotate(30).filter(ImageFilter.GaussianBlur(2)).resize((64, 64))
    sizes = []
    for kind in ("PNG", "JPEG", "WEBP", "TIFF"):
        file = io.BytesIO()
        small.save(file, kind)
        again = Image.open(io.BytesIO(file.getvalue()))
        again.load()
        sizes.append(again.size)
    return small.getpixel((20, 20)), sizes, sum(small.histogram())
