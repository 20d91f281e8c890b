import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from elbolab.metrics.images import mse, psnr, ssim


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(4, 3, 12, 14, generator=generator)
    return images, (images + 0.1 * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def test_mse_is_per_element_and_per_datum():
    x = torch.zeros(2, 1, 2, 2)
    assert mse(x, x + torch.tensor([0.5, 1.0]).view(2, 1, 1, 1)).tolist() == [0.25, 1.0]
    assert mse(torch.zeros(3, 5), torch.ones(3, 5)).tolist() == [1.0] * 3


def test_psnr_is_torchmetrics_per_image(pair):
    expected = peak_signal_noise_ratio(pair[1], pair[0], data_range=1.0, reduction="none", dim=(1, 2, 3))
    torch.testing.assert_close(psnr(*pair), expected)


def test_psnr_of_a_known_error():
    x = torch.zeros(1, 1, 4, 4)
    assert psnr(x, x + 0.1).item() == pytest.approx(20.0)
    assert psnr(x, x).item() == float("inf")


def test_ssim_is_one_for_equal_images_and_less_with_noise(pair):
    images, noisy = pair
    torch.testing.assert_close(ssim(images, images), torch.ones(4))
    assert (ssim(images, noisy) < 0.99).all()


def test_ssim_is_per_image(pair):
    images, noisy = pair
    assert ssim(images, noisy).shape == (4,)
    torch.testing.assert_close(ssim(images, noisy)[2:3], ssim(images[2:3], noisy[2:3]))
    assert ssim(images[:1], noisy[:1]).shape == (1,)


def test_ssim_of_constant_images_is_its_luminance_term():
    a, b, c = 0.2, 0.6, 0.01**2
    images = torch.full((1, 1, 11, 11), a)
    value = ssim(images, torch.full_like(images, b)).item()
    assert value == pytest.approx((2 * a * b + c) / (a**2 + b**2 + c), abs=1e-3)


def test_images_below_the_window_are_refused():
    with pytest.raises(ValueError, match="at least 11 pixels"):
        ssim(torch.zeros(1, 1, 8, 12), torch.zeros(1, 1, 8, 12))
