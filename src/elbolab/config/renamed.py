"""What was typed before, and the words that say the same now."""

LABELS_ALONE = "makhzani2016/semi_supervised model=classifier trainer.max_epochs=12 trainer.check_val_every_n_epoch=2"
"""A classifier of the labels of the semi-supervised autoencoder, trained as briefly as that in its reduced form."""

EXPERIMENTS = {
    "baldi1989/tied_ae": "baldi1989/linear_ae model=tied_ae densities.latent_dim=1",
    "burda2016/vae_40_epochs": "burda2016/vae scale=reduced trainer.max_epochs=40",
    "burda2016/vae_beside_cvae_reduced": "burda2016/vae scale=reduced evaluation.limit=2000 evaluation.num_samples=100",
    "higgins2017/dsprites_reduced": "-m higgins2017/dsprites scale=reduced model.beta=1,4",
    "im2017/restoration_reduced": "-m im2017/static_mnist scale=reduced corruption=salt_and_pepper model=dvae,vae",
    "im2017/table": (
        "-m im2017/static_mnist scale=reduced corruption=im2017,salt_and_pepper,bit_flip,masking "
        "corruption.probability=0.05,0.1,0.25"
    ),
    "im2017/table_gaussian": (
        "-m im2017/static_mnist scale=reduced corruption=gaussian_noise corruption.scale=0.1,0.25,0.5"
    ),
    "kingma2014/m1_100": "kingma2014/m1",
    "kingma2014/m1_m2_100": "kingma2014/m1_m2",
    "kingma2014/m2_100": "kingma2014/m2",
    "kingma2014/m2_1000": "kingma2014/m2 data.num_labelled=1000",
    "kingma2014/m2_manifold_reduced": "kingma2014/m2 scale=reduced data.num_labelled=1000 densities.latent_dim=2",
    "kingma2014/supervised_100": "kingma2014/supervised",
    "makhzani2016/clustering_30": "makhzani2016/clustering densities.num_groups=30",
    "makhzani2016/gaussian_2d": "makhzani2016/plane prior=normal densities.prior.scale=5",
    "makhzani2016/labels_alone": LABELS_ALONE,
    "makhzani2016/labels_alone_100": LABELS_ALONE,
    "makhzani2016/mixture_2d": "makhzani2016/plane",
    "makhzani2016/semi_supervised_100": "makhzani2016/semi_supervised",
    "makhzani2016/semi_supervised_1000": "makhzani2016/semi_supervised data.num_labelled=1000",
    "makhzani2016/swiss_roll": "makhzani2016/label_informed prior=swiss_roll",
    "sohn2015/quadrant1": "sohn2015/cvae",
    "sohn2015/quadrant1_gsnn": "sohn2015/gsnn",
    "sohn2015/quadrant1_hybrid": "sohn2015/hybrid",
    "sohn2015/quadrant1_nn": "sohn2015/nn",
    "sohn2015/quadrant2": "sohn2015/cvae data.quadrants=2",
    "sohn2015/quadrant2_gsnn": "sohn2015/gsnn data.quadrants=2",
    "sohn2015/quadrant2_nn": "sohn2015/nn data.quadrants=2",
    "sohn2015/quadrant3": "sohn2015/cvae data.quadrants=3",
    "sohn2015/quadrant3_gsnn": "sohn2015/gsnn data.quadrants=3",
    "sohn2015/quadrant3_nn": "sohn2015/nn data.quadrants=3",
    "tutorial/collapse_annealed": "tutorial/collapse +schedule@model.beta=linear model.beta.epochs=3",
    "tutorial/collapse_free_bits": "tutorial/collapse model.free_bits=0.25",
}
"""Names of experiments that are gone, and the words of the same configuration; for NAME_reduced with scale=reduced."""

REDUCED = (
    *("burda2016/vae", "burda2016/cvae", "cmma/dsprites", "im2017/static_mnist"),
    *("makhzani2016/clustering", "makhzani2016/label_informed", "makhzani2016/likelihood", "makhzani2016/supervised"),
)
"""Experiments that have kept their names, and had a second file NAME_reduced."""

OPTIONS = {
    "debug=steps": "scale=smoke",
    "densities=adversarial": "model=aae",
    "densities=attributes": "model=cmma",
    "densities=autoencoder": "model=ae",
    "densities=class_autoencoder": "model=aae_semi",
    "densities=classifier": "model=classifier",
    "densities=denoising": "model=dvae",
    "densities=group_autoencoder": "model=aae_clustering",
    "densities=labelled": "model=m2",
    "densities=regression": "model=regression",
    "densities=stacked": "model=m1_m2",
    "densities=stochastic_network": "model=gsnn",
    "densities=tied": "model=tied_ae",
    "hydra/launcher=submitit_local": "hydra/launcher=local",
    "likelihood=laplace_learned": (
        "likelihood=gaussian_learned densities.likelihood.family.base._target_=torch.distributions.Laplace"
    ),
    "logger=many": "logger=[tensorboard,wandb,mlflow]",
    "model=aae_supervised": (
        "model=aae data.given=labels posterior=deterministic densities.posterior_sees_conditions=false"
    ),
    "model=hybrid": "model=cvae model.alpha=0.5 monitor=val/hybrid_bound",
    "model=linear_ae": "model=ae net.hidden=[] likelihood=gaussian",
    "net=burda2016": "net.hidden=[200,200] net.activation=Tanh",
    "net=im2017": "net.hidden=[200,200] net.activation=Softplus",
    "net=kingma2014": "net.hidden=[500] net.activation=Softplus net.init=small",
    "net=kingma2014_300": "net.hidden=[300] net.activation=Softplus net.init=small",
    "net=kingma2014_m1": "net.hidden=[600,600] net.activation=Softplus",
    "net=kingma2014_m1_m2": "net.hidden=[300] net.activation=Softplus",
    "net=linear": "net.hidden=[]",
    "net=makhzani2016": "net.hidden=[1000,1000]",
    "net=mlp_deep": "net.hidden=[400,200]",
    "net=mlp_four": "net.hidden=[200,200,200,200]",
    "net=sohn2015": "net.hidden=[1000,1000]",
    "net=sohn2015_reduced": "net.hidden=[500,500]",
    "paths=default": "paths.output=outputs",
    "posterior=deterministic_of_x": "posterior=deterministic densities.posterior_sees_conditions=false",
    "posterior=diagonal_normal_of_x": "posterior=diagonal_normal densities.posterior_sees_conditions=false",
    "trainer=cpu": "trainer.accelerator=cpu",
    "trainer=ddp": "trainer.devices=2",
    "trainer=gpu": "trainer.accelerator=gpu",
}
"""Other choices that are gone."""

MOVED = {
    "densities.posterior_sees_attributes": "densities.posterior_sees_conditions",
    "evaluation.decomposition_limit": "evaluation.measures.decomposition.limit",
    "evaluation.aggregate_limit": "evaluation.measures.aggregate.limit",
    "evaluation.null_pairs": "evaluation.measures.aggregate.null_pairs",
    "evaluation.parzen_samples": "evaluation.measures.parzen.num_samples",
    "evaluation.class_samples": "evaluation.measures.conditional.class_samples",
    "evaluation.class_limit": "evaluation.measures.conditional.class_limit",
    "evaluation.num_neighbours": "evaluation.measures.representation.num_neighbours",
}
"""Keys that are gone, and the keys of the same; those of evaluation are options of one measure now."""


def find_new_words(group: str, option: str) -> str | None:
    """What to type in the place of ``group=option``; None where that was never a choice, or is one."""
    if group != "experiment":
        return OPTIONS.get(f"{group}={option}")
    words = EXPERIMENTS.get(option)
    base = option.removesuffix("_reduced")
    if words is None and base != option and (base in EXPERIMENTS or base in REDUCED):
        name, *others = EXPERIMENTS.get(base, base).split()
        words = " ".join([name, "scale=reduced", *others])
    if words is None:
        return None
    return words.replace("-m ", "-m experiment=") if words.startswith("-m ") else f"experiment={words}"


def explain_renamed(group: str, option: str) -> str | None:
    """The line that says so."""
    words = find_new_words(group, option)
    return None if words is None else f"{group}={option} is now {words}"
