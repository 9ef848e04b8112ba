"""Names of PaddleSeg's that are not here, so that whoever brings a config is told so, not a similar name."""

from __future__ import annotations

# Kind of component, as the registries call it -> names, with blanks between them.
COMPONENTS: dict[str, str] = {
    "model": (
        "ANN AttentionUNet BiSeNetV2 BiseNetV1 CCNet DANet DDRNet_23 DMNet DNLNet DecoupledSegNet "
        "DeepLabV3 DeepLabV3P EMANet ENCNet ENet ESPNetV1 ESPNetV2 EfficientFormerSeg FCN FastFCN "
        "FastSCNN GCNet GINet GSCNN GloRe HRNetW48Contrast HarDNet ISANet KNet LinearSegmenter "
        "MLATransformer MaskFormer MaskSegmenter MobileSeg MscaleOCRNet OCRNet PFPNNet PIDNet "
        "PPHumanSegLite PPLiteSeg PPMobileSeg PSPNet PointRend PortraitNet RTFormer SFNet SINet "
        "STDCSeg STFPM SeaFormerSeg SegFormer SegNeXt SegNet SegmentationTransformer TopFormer "
        "U2Net U2Netp UNet UNet3Plus UNetPlusPlus UPerNet UPerNetCAE UPerNetViTAdapter"
    ),
    "backbone": (
        "CAE CAE_base_patch16_224 CAE_base_patch16_384 CAE_base_patch32_384 CAE_huge_patch16_224 "
        "CAE_huge_patch32_384 CAE_large_patch16_224 CAE_large_patch16_384 CAE_large_patch32_384 "
        "CAE_small_patch16_224 EfficientFormerv2_l EfficientFormerv2_s1 EfficientFormerv2_s2 "
        "Efficientformerv2_s0 GhostNet_x0_5 GhostNet_x1_0 GhostNet_x1_3 HRFormer_base "
        "HRFormer_base_win_13 HRFormer_base_win_15 HRFormer_small HRNet_W18 HRNet_W18_Small_V1 "
        "HRNet_W18_Small_V2 HRNet_W30 HRNet_W32 HRNet_W40 HRNet_W44 HRNet_W48 HRNet_W60 HRNet_W64 "
        "Lite_HRNet_18 Lite_HRNet_30 Lite_HRNet_naive Lite_HRNet_wider_naive MSCAN MSCAN_B MSCAN_L "
        "MSCAN_S MSCAN_T MixVisionTransformer_B0 MixVisionTransformer_B1 MixVisionTransformer_B2 "
        "MixVisionTransformer_B3 MixVisionTransformer_B4 MixVisionTransformer_B5 MobileNetV2_x0_25 "
        "MobileNetV2_x0_5 MobileNetV2_x0_75 MobileNetV2_x1_0 MobileNetV2_x1_5 MobileNetV2_x2_0 "
        "MobileSeg_Base MobileSeg_Tiny PIDNet_Large PIDNet_Medium PIDNet_Small ResNet101 "
        "ResNet101_vd ResNet18 ResNet18_vd ResNet34 ResNet50 ResNet50_vd ResNet_MS3 STDC1 STDC2 "
        "SeaFormer_base SeaFormer_large SeaFormer_small SeaFormer_tiny ShuffleNetV2_swish "
        "ShuffleNetV2_x0_25 ShuffleNetV2_x0_33 ShuffleNetV2_x0_5 ShuffleNetV2_x1_0 "
        "ShuffleNetV2_x1_5 ShuffleNetV2_x2_0 SwinTransformer "
        "SwinTransformer_base_patch4_window12_384 SwinTransformer_base_patch4_window7_224 "
        "SwinTransformer_base_patch4_window7_384_maskformer "
        "SwinTransformer_large_patch4_window12_384 SwinTransformer_large_patch4_window7_224 "
        "SwinTransformer_large_patch4_window7_384_maskformer "
        "SwinTransformer_small_patch4_window7_224 "
        "SwinTransformer_small_patch4_window7_224_maskformer "
        "SwinTransformer_tiny_patch4_window7_224 SwinTransformer_tiny_patch4_window7_224_maskformer "
        "TopTransformer_Base TopTransformer_Small TopTransformer_Tiny UHRNet_W18 UHRNet_W18_Small "
        "UHRNet_W48 ViTAdapter ViTAdapter_Tiny ViT_base_patch16_224 ViT_base_patch16_384 "
        "ViT_base_patch32_384 ViT_huge_patch16_224 ViT_huge_patch32_384 ViT_large_patch16_224 "
        "ViT_large_patch16_384 ViT_large_patch32_384 ViT_small_patch16_224 VisionTransformer "
        "Xception41_deeplab Xception65_deeplab Xception71_deeplab"
    ),
    "dataset": (
        "ADE20K CHASEDB1 CocoStuff DRIVE EG1800 HRF MiniDeepGlobeRoadExtraction OpticDiscSeg "
        "PPHumanSeg14K PSSLDataset PascalContext PascalVOC STARE SUPERVISELY"
    ),
    "transform": ("AddEdgeLabel AddMultiLabelAuxiliaryCategory Compose GenerateInstanceTargets"),
    "loss": (
        "BCELoss BootstrappedCrossEntropyLoss DetailAggregateLoss DiceLoss DistillCrossEntropyLoss "
        "DistillationLoss DualTaskLoss EdgeAttentionLoss FocalLoss KLLoss L1Loss LovaszHingeLoss "
        "LovaszSoftmaxLoss MSELoss MaskFormerLoss MixedLoss MultiClassFocalLoss "
        "OhemEdgeAttentionLoss PixelContrastCrossEntropyLoss PointCrossEntropyLoss RMILoss "
        "RelaxBoundaryLoss SECrossEntropyLoss SemanticConnectivityLoss"
    ),
    "optimizer": ("AdamWDL AdamWDL_CAE"),
}

# Keys at the top of a config that say nothing about what is done here: accepted, with a warning.
IDLE_KEYS = (
    "to_static_training",
    "export",
    "test_dataset",
    "distill_loss",
    "pdx_model_name",
    "hpi_config_path",
    "uniform_output_enabled",
)

# Arguments of PaddleSeg's components whose namesakes here do not take them.
ARGUMENTS = (
    "edge",
    "shuffle",
    "avg_non_ignore",
    "data_format",
    "top_k_percent_pixels",
    "custom_cfg",
    "lazy_mode",
    "use_multilabel",
)
